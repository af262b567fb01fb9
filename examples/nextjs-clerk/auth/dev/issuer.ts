import "server-only";
import { headers } from "next/headers";
import { settings } from "@/settings";

/**
 * Where this server reaches the development issuer, which gives an administrator's token to everybody on this machine.
 * The issuer sees only this server, and not who opened the page. So this server does what the issuer would do: it
 * refuses every name but localhost. Where Clerk signs users in, it refuses all.
 */
export async function devIssuer(): Promise<string> {
  const { publishableKey, devIssuerInternalUrl } = settings();
  const asked = await headers();
  const hosts = ["host", "x-forwarded-host"].flatMap((name) => asked.get(name) ?? []);
  if (publishableKey || !hosts.every((host) => /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host))) {
    throw new Error("the development issuer signs in only those who open this page on localhost");
  }
  return devIssuerInternalUrl;
}
