/** A token, taken apart. Nothing of it is verified. */
export interface Parts {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** Takes a JWT apart, or says in a sentence why that cannot be done. */
export function readToken(token: string): Parts | string {
  const parts = token.split(".");
  if (parts.length === 5) {
    return "This token is encrypted (JWE). Only its recipient can read it.";
  }
  if (parts.length !== 3) {
    return `This is not a JWT: it has ${["no dot", "one dot"][parts.length - 1] ?? `${parts.length - 1} dots`}, and a JWT has two. An opaque token says nothing about itself.`;
  }
  try {
    return { header: decode(parts[0] ?? ""), claims: decode(parts[1] ?? "") };
  } catch {
    return "This is not a JWT: its header or its payload is not JSON in base64url. Part of it may be missing.";
  }
}

function decode(part: string): Record<string, unknown> {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("not an object");
  }
  return value as Record<string, unknown>;
}

/** The times in a token, in the order in which they pass. */
export const timeClaims = [
  ["auth_time", "Signed in"],
  ["iat", "Issued"],
  ["nbf", "Valid from"],
  ["exp", "Expires"],
] as const;

/** The furthest time from 1970 that a Date can have, in milliseconds. */
const furthest = 8.64e15;

/** The time that a claim says in seconds, in milliseconds; undefined where it says none. */
export function timeOf(claim: unknown): number | undefined {
  const at = typeof claim === "number" ? Math.round(claim * 1000) : Number.NaN;
  return Math.abs(at) <= furthest ? at : undefined;
}
