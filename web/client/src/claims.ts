/** The payload of a token, as far as everybody has it. */
export interface Claims {
  iss?: string;
  sub?: string;
  sid?: string;
  /** Seconds since 1970, as the issuer's clock has it. */
  iat?: number;
  /** Seconds since 1970, as the issuer's clock has it. */
  exp?: number;
  [name: string]: unknown;
}

/**
 * Reads the payload of a JWT without verifying anything: to show it, or to know
 * when to renew it. Returns undefined where the text is no JWT.
 */
export function readClaims(token: string): Claims | undefined {
  const payload = token.split(".")[1];
  if (payload === undefined) {
    return undefined;
  }
  try {
    const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? (claims as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns for how many milliseconds a token is still good, and for how many it
 * was in all; undefined where that cannot be known. Where this machine's
 * clock does not agree with the issuer's, the token is taken for a new one.
 */
export function millisecondsLeft(token: string): { left: number; lifetime: number } | undefined {
  const { exp, iat } = readClaims(token) ?? {};
  if (typeof exp !== "number") {
    return undefined;
  }
  const left = exp * 1000 - Date.now();
  const lifetime = typeof iat === "number" ? (exp - iat) * 1000 : left;
  if (lifetime <= 0) {
    return undefined; // nothing of it makes sense here
  }
  const plausible = left > 0 && left <= lifetime;
  return { left: plausible ? left : lifetime, lifetime };
}
