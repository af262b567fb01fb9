import "server-only";
import { headers } from "next/headers";
import { settings } from "@/settings";

/**
 * Where this server reaches the development issuer, which gives an administrator's token to everybody on this machine.
 * It sees only this server, whoever asks for a page: so that is refused by another name than localhost, as the
 * issuer does it, and where Clerk signs users in.
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
