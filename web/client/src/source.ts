/** What is asked of a {@link TokenSource}. */
export interface TokenOptions {
  /** Do not answer with a token from a cache. Default: false. */
  fresh?: boolean;
}

/** Where tokens come from. */
export interface TokenSource {
  /**
   * Returns a token that is good now, or null when nobody is signed in; an empty
   * token is none either. It is asked before every call, so keep the token until
   * shortly before it expires.
   *
   * Whatever it throws is taken to pass, and asked for again by those who repeat
   * calls; but for a {@link TokenSourceError} that is permanent.
   */
  getToken(options?: TokenOptions): Promise<string | null>;
}

/**
 * Why a source has no token to give. It is the cause of the error of the call
 * that was not made, and so tells a source that fails from a server that does:
 *
 *     error.cause instanceof TokenSourceError
 */
export class TokenSourceError extends Error {
  /** Asking again is of no use: calls fail with UNAUTHENTICATED. Default: false, and they fail with UNAVAILABLE. */
  readonly permanent: boolean;

  constructor(message: string, { cause, permanent = false }: { cause?: unknown; permanent?: boolean } = {}) {
    super(message, { cause });
    this.name = "TokenSourceError";
    this.permanent = permanent;
  }
}

/** Makes a source of any function. */
export function functionSource(get: (options: TokenOptions) => string | null | Promise<string | null>): TokenSource {
  return { getToken: async (options = {}) => get(options) };
}

/** What is needed of an instance of `Clerk` from `@clerk/clerk-js`. */
export interface ClerkLike {
  readonly session?: { getToken(options?: { skipCache?: boolean; template?: string }): Promise<string | null> } | null | undefined;
}

/**
 * Makes a source of a loaded Clerk instance, for whichever session is active
 * when a token is asked for. Clerk keeps and renews the tokens.
 *
 * With a template the tokens are made from that JWT template; the server must
 * then accept its audience.
 */
export function clerkSource(clerk: ClerkLike, options: { template?: string } = {}): TokenSource {
  return functionSource(async ({ fresh = false }) => (await clerk.session?.getToken({ ...options, skipCache: fresh })) ?? null);
}
