import { Code, ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { authReason } from "./reason.js";
import { isPublic } from "./rule.js";
import { type TokenSource, TokenSourceError } from "./source.js";

/**
 * Set on a call, it makes the interceptor ask the source for a fresh token:
 *
 *     client.whoAmI({}, { contextValues: createContextValues().set(freshToken, true) })
 */
export const freshToken = createContextKey(false, { description: "ask for a fresh token" });

/**
 * Sends a token of the source with every call of a transport, but never
 *
 *  - with a method that the schema makes public;
 *  - to another origin than that of `baseUrl`, which is the transport's own;
 *  - in place of an Authorization header that the caller has set.
 *
 * A unary call that is refused with TOKEN_EXPIRED or TOKEN_NOT_YET_VALID is sent
 * once more with a fresh token: the server has refused it before it ran. Nothing
 * else is repeated here; see {@link resumable} for streams.
 *
 * Without a token the call is sent as it is. Where the source fails, the call is
 * not made: it fails with a {@link TokenSourceError} as its cause, and UNAVAILABLE
 * as its code, or UNAUTHENTICATED where the source knows that this will not pass.
 */
export function authInterceptor(source: TokenSource, baseUrl: string): Interceptor {
  const origin = originOf(baseUrl);
  return (next) => async (req) => {
    if (isPublic(req.method) || originOf(req.url) !== origin || req.header.has("Authorization")) {
      return next(req);
    }
    const token = await ask(source, req.contextValues.get(freshToken));
    if (token === null) {
      return next(req);
    }
    req.header.set("Authorization", `Bearer ${token}`);
    if (req.stream) {
      return next(req);
    }
    try {
      return await next(req);
    } catch (error) {
      if (!isAboutTime(error) || req.signal.aborted) {
        throw error;
      }
      const another = await ask(source, true);
      if (another === null || another === token) {
        throw error;
      }
      req.header.set("Authorization", `Bearer ${another}`);
      return next(req);
    }
  };
}

/** Tells whether a fresh token could help against a refusal. */
export function isAboutTime(error: unknown): boolean {
  const reason = authReason(error);
  return reason === "TOKEN_EXPIRED" || reason === "TOKEN_NOT_YET_VALID";
}

async function ask(source: TokenSource, fresh: boolean): Promise<string | null> {
  try {
    return await source.getToken({ fresh });
  } catch (thrown) {
    const failure = thrown instanceof TokenSourceError ? thrown : new TokenSourceError(describe(thrown), { cause: thrown });
    const code = failure.permanent ? Code.Unauthenticated : Code.Unavailable;
    throw new ConnectError(`no token could be had: ${failure.message}`, code, undefined, undefined, failure);
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error && thrown.message !== "" ? thrown.message : "its source does not say why";
}

/** A relative URL is one of the page's own origin. */
function originOf(url: string): string {
  return new URL(url, globalThis.location?.href).origin;
}
