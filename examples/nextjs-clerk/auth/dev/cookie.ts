import "server-only";
import { functionSource, type TokenSource } from "@ostiary/client";
import { devSource } from "@ostiary/client/dev";
import { cookies } from "next/headers";
import { devIssuer } from "./issuer";

/** The cookie that remembers who is signed in, in place of Clerk's. For development alone: nobody has signed it. */
export const devCookie = "dev-session";

export async function readDevSession(): Promise<{ persona?: string; session?: string }> {
  const [persona, session] = (await cookies()).get(devCookie)?.value.split("/") ?? [];
  return { persona, session };
}

export async function devServerSource(): Promise<TokenSource> {
  const { persona, session } = await readDevSession();
  return persona === undefined ? functionSource(async () => null) : devSource({ issuer: await devIssuer(), persona, session });
}
