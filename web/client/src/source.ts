/** What is asked of a {@link TokenSource}. */
export interface TokenOptions {
  /** Do not answer with a token from a cache. Default: false. */
  fresh?: boolean | undefined;
}

/** Where tokens come from. */
export interface TokenSource {
  /**
   * Returns a token that is good now, or null when nobody is signed in; an empty
   * token is none either. It is asked before every call, so keep the token until
   * shortly before it expires.
   *
   * Errors are treated as temporary and retried by those who repeat calls, with two
   * exceptions: a {@link TokenSourceError} that is permanent, and an error whose
   * `status` is an HTTP status from 400 to 499, but for 408, 425 and 429.
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

  constructor(message: string, { cause, permanent = false }: { cause?: unknown; permanent?: boolean | undefined } = {}) {
    super(message, { cause });
    this.name = "TokenSourceError";
    this.permanent = permanent;
  }
}

/** Makes a source of any function. */
export function functionSource(get: (options: TokenOptions) => string | null | Promise<string | null>): TokenSource {
  return { getToken: async (options = {}) => get(options) };
}
