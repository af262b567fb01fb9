"use server";

import { devSource } from "@ostiary/client/dev";
import { cookies } from "next/headers";
import { redirect } from "next/navigation";
import { devCookie } from "./cookie";
import { devIssuer } from "./issuer";

export async function signIn(persona: string): Promise<void> {
  const source = devSource({ issuer: await devIssuer(), persona });
  await source.getToken(); // signs the persona in, with a session of its own
  (await cookies()).set(devCookie, `${persona}/${source.session}`, { httpOnly: true, sameSite: "lax" });
  redirect("/account");
}

export async function signOut(): Promise<void> {
  (await cookies()).delete(devCookie);
  redirect("/sign-in");
}
