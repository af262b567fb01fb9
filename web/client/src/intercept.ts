import { createContextKey, type Interceptor, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import { Asker, noToken } from "./ask.js";
import { authReason } from "./reason.js";
import { isPublic } from "./rule.js";
import { type TokenSource, TokenSourceError } from "./source.js";

/**
 * Set on a call, it makes the interceptor ask the source for a fresh token:
 *
 *     client.whoAmI({}, { contextValues: createContextValues().set(freshToken, true) })
 */
export const freshToken = createContextKey(false, { description: "ask for a fresh token" });

/** Holds the token that a call was sent with, for whoever repeats the call. */
export const sentToken = createContextKey<string | null>(null, { description: "the token that was sent" });

/**
 * Sends a token of the source with every call of a transport, but never
 *
 *  - with a method that the schema makes public;
 *  - to another origin than that of `baseUrl`, which is the transport's own;
 *  - in place of an Authorization header that the caller has set.
 *
 * A unary call that is refused with TOKEN_EXPIRED or TOKEN_NOT_YET_VALID is sent
 * once more with a fresh token: the server has refused it before it ran. Calls
 * that are refused at the same time share one fresh token. Nothing else is
 * repeated here; see {@link resumable} for streams.
 *
 * Without a token the call is sent as it is. Where the source fails, the call is
 * not made: it fails with a {@link TokenSourceError} as its cause, and UNAVAILABLE
 * as its code, or UNAUTHENTICATED where the source knows that this will not pass.
 * A call that is aborted, or whose time is up, does not wait for the source.
 */
export function authInterceptor(source: TokenSource, baseUrl: string): Interceptor {
  const asker = new Asker(source);
  return (next) => async (req) => {
    if (isPublic(req.method) || req.header.has("Authorization") || originOf(req.url) !== originOf(baseUrl)) {
      return next(req);
    }
    const token = await asker.token(req.contextValues.get(freshToken), req.signal);
    if (token === null) {
      return next(req);
    }
    bear(token, req);
    if (req.stream) {
      return next(req);
    }
    try {
      return await next(req);
    } catch (error) {
      if (!isAboutTime(error) || req.signal.aborted) {
        throw error;
      }
      const another = await asker.another(token, req.signal);
      if (another === null || another === token) {
        throw error;
      }
      bear(another, req);
      return next(req);
    }
  };
}

/** Tells whether a fresh token could help against a refusal. */
export function isAboutTime(error: unknown): boolean {
  const reason = authReason(error);
  return reason === "TOKEN_EXPIRED" || reason === "TOKEN_NOT_YET_VALID";
}

function bear(token: string, req: UnaryRequest | StreamRequest): void {
  try {
    req.header.set("Authorization", `Bearer ${token}`);
  } catch {
    // What was thrown holds the token.
    throw noToken(new TokenSourceError("what its source gave is not one: it has characters that no header can carry", { permanent: true }));
  }
  req.contextValues.set(sentToken, token);
}

/** A relative URL is one of the page's own origin, which there is not yet where a page is made on a server: ask only for calls. */
function originOf(url: string): string {
  return new URL(url, globalThis.location?.href).origin;
}
