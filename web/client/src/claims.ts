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
 * when to renew it. Returns undefined where the text is no JWT, or one whose
 * registered claims have other types than {@link Claims} says.
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
    return typeof claims === "object" && claims !== null && hasTypes(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

function hasTypes(claims: object): claims is Claims {
  const types = { iss: "string", sub: "string", sid: "string", iat: "number", exp: "number" };
  return Object.entries(types).every(([name, type]) => ["undefined", type].includes(typeof (claims as Claims)[name]));
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

/**
 * Returns a text that is the same for all tokens of a session that say the same about
 * their holder; undefined where a token is of no session.
 */
export function holderOf(token: string): string | undefined {
  const claims = readClaims(token);
  return claims?.sid && JSON.stringify({ ...claims, iat: 0, nbf: 0, exp: 0, jti: 0, fva: 0 });
}
