import "server-only";

/**
 * What the environment says, read when a page is asked for and not when it is built: one image
 * serves everywhere. The page in the browser receives what it needs as properties.
 */
export function settings() {
  const { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, NEXT_PUBLIC_API_URL, API_INTERNAL_URL, CLERK_JWT_ISSUER, DEV_ISSUER_INTERNAL_URL } = process.env;
  const apiUrl = NEXT_PUBLIC_API_URL || "http://localhost:8080";
  const devIssuerUrl = CLERK_JWT_ISSUER || "http://localhost:8080";
  if (!NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY && new URL(devIssuerUrl).hostname !== "localhost") {
    throw new Error("set NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: without it, users come from a development issuer on localhost");
  }
  return {
    /** Clerk's, or nothing: then the development issuer says who signs in. */
    publishableKey: NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY,
    /** Where browsers reach the API, and where this server does. */
    apiUrl,
    apiInternalUrl: API_INTERNAL_URL || apiUrl,
    /** The same of `ostiary dev`. */
    devIssuerUrl,
    devIssuerInternalUrl: DEV_ISSUER_INTERNAL_URL || devIssuerUrl,
  };
}
