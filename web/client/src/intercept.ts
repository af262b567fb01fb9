import { type ConnectError, createContextKey, type Interceptor, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import { Asker, sourceFailed } from "./ask.js";
import { isAboutTime } from "./reason.js";
import { isPublic } from "./rule.js";
import { SignOuts } from "./signedout.js";
import { type TokenSource, TokenSourceError } from "./source.js";

/**
 * Set on a call, it makes the interceptor ask the source for a fresh token:
 *
 *     client.whoAmI({}, { contextValues: createContextValues().set(freshToken, true) })
 */
export const freshToken = createContextKey(false, { description: "fresh token" });

/** Holds the token of the source that a call was sent with, for code that repeats the call or watches its token. */
export const sentToken = createContextKey<string | null>(null, { description: "sent token" });

export interface AuthOptions {
  /**
   * Is called when a session that was there is over: with the error of the first call
   * or stream that ends with TOKEN_REVOKED or TOKEN_MISSING, or with TOKEN_EXPIRED although
   * its token was fresh. It is called once for a session, until a call is answered
   * again, and not for users who never were signed in. Default: nobody is told.
   */
  onSignedOut?: ((error: ConnectError) => void) | undefined;
}

/**
 * Sends a token of the source with every call of a transport, but never
 *
 *  - with a method that the schema makes public;
 *  - to another origin than that of `baseUrl`, which is the transport's own;
 *  - in place of an Authorization header that the caller has set.
 *
 * A unary call that is refused with TOKEN_EXPIRED or TOKEN_NOT_YET_VALID is sent
 * once more with a fresh token: the server has refused it before it ran. Calls of all
 * clients with this source that are refused at the same time share one fresh token.
 * Nothing else is repeated here; see {@link resumable} for streams.
 *
 * Without a token the call is sent as it is. Where the source fails, the call is
 * not made: it fails with a {@link TokenSourceError} as its cause, and UNAVAILABLE
 * as its code, or UNAUTHENTICATED where the source fails for good.
 * A call that is aborted, or whose time is up, does not wait for the source.
 */
export function authInterceptor(source: TokenSource, baseUrl: string, { onSignedOut }: AuthOptions = {}): Interceptor {
  const asker = Asker.of(source);
  const signOuts = new SignOuts(onSignedOut);
  const bear = (token: string, req: UnaryRequest | StreamRequest) => {
    try {
      req.header.set("Authorization", `Bearer ${token}`);
    } catch {
      // What was thrown holds the token.
      throw sourceFailed(new TokenSourceError("its token cannot be sent in a header", { permanent: true }));
    }
    req.contextValues.set(sentToken, token);
    signOuts.sent(token);
  };
  return (next) => async (req) => {
    req.contextValues.set(sentToken, null); // the caller may have made another call with them
    if (isPublic(req.method) || req.header.has("Authorization") || originOf(req.url) !== originOf(baseUrl)) {
      return next(req);
    }
    const { over } = signOuts;
    const fresh = req.contextValues.get(freshToken);
    const token = await asker.token(fresh, req.signal);
    if (token !== null) {
      bear(token, req);
    }
    try {
      const res = await next(req).catch(async (error: unknown) => {
        const another = !req.stream && token !== null && isAboutTime(error) && !req.signal.aborted ? await asker.another(token, req.signal) : null;
        if (another === null || another === token) {
          throw error;
        }
        bear(another, req);
        return next(req);
      });
      if (res.stream) {
        return { ...res, message: signOuts.read(res.message, over, token, fresh) };
      }
      signOuts.answered(over);
      return res;
    } catch (error) {
      // A stream whose token has expired can be opened again with a fresh one.
      signOuts.failed(error, req.contextValues.get(sentToken), fresh || !req.stream);
      throw error;
    }
  };
}

/** A relative URL is one of the page's own origin, which there is not yet where a page is made on a server: ask only for calls. */
function originOf(url: string): string {
  return new URL(url, globalThis.location?.href).origin;
}
