import "server-only";
import { auth } from "@clerk/nextjs/server";
import { functionSource, type TokenSource } from "@ostiary/client";
import { settings } from "@/settings";
import { devServerSource } from "./dev/cookie";

/** The tokens of the user who asks for the page, for server components. */
export async function serverSource(): Promise<TokenSource> {
  if (!settings().publishableKey) {
    return devServerSource();
  }
  const { getToken } = await auth();
  return functionSource(() => getToken());
}
