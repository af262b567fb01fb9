import { type CallOptions, createContextValues } from "@connectrpc/connect";
import { freshToken } from "./intercept.js";
import { reasonOf } from "./reason.js";
import { functionSource, type TokenSource, TokenSourceError } from "./source.js";

/** The active session of a {@link ClerkLike}: null where nobody is signed in, undefined while that is not known. */
export type ClerkSession = { getToken(options?: { skipCache?: boolean; template?: string }): Promise<string | null> } | null | undefined;

/** What is needed of an instance of `Clerk` from `@clerk/clerk-js`, or of what Clerk's `useClerk` returns. */
export interface ClerkLike {
  readonly session?: ClerkSession;
  addListener(listener: (resources: { session?: ClerkSession }) => void): () => void;
}

/** How many milliseconds Clerk has to load. */
const loadTimeout = 10_000;

/**
 * Makes a source of a Clerk instance, for whichever session is active when a token
 * is asked for. Clerk keeps and renews the tokens.
 *
 * While Clerk loads, or changes sessions, callers wait; after ten seconds they get a
 * {@link TokenSourceError}.
 *
 * With a template the tokens are made from that JWT template; the server must
 * then accept its audience.
 */
export function clerkSource(clerk: ClerkLike, { template }: { template?: string | undefined } = {}): TokenSource {
  return functionSource(async ({ fresh = false }) => {
    const session = clerk.session === undefined ? await loaded(clerk) : clerk.session;
    return session?.getToken({ ...(template !== undefined && { template }), skipCache: fresh }) ?? null;
  });
}

function loaded(clerk: ClerkLike): Promise<ClerkSession> {
  return new Promise((resolve, reject) => {
    const late = "Clerk has not loaded within 10 seconds: is its script blocked, or the publishable key wrong?";
    const timer = setTimeout(() => {
      stop();
      reject(new TokenSourceError(late));
    }, loadTimeout);
    const stop = clerk.addListener(({ session }) => {
      if (session !== undefined) {
        clearTimeout(timer);
        queueMicrotask(() => stop()); // Clerk may call the listener before it has returned what removes it
        resolve(session);
      }
    });
  });
}

/** How lately, and with which factors, a user must have verified who they are: what the method's rule says, in Clerk's words. */
export type ClerkReverification =
  | "strict_mfa"
  | "strict"
  | "moderate"
  | "lax"
  | { level: "first_factor" | "second_factor" | "multi_factor"; afterMinutes: number };

/** What Clerk's `useReverification` looks for in the result of a function. */
export interface ReverificationHint {
  clerk_error: { type: "forbidden"; reason: "reverification-error"; metadata: { reverification: ClerkReverification | undefined } };
}

/**
 * Makes a function for Clerk's `useReverification` of one that calls: where the
 * call is refused with REVERIFICATION_REQUIRED, Clerk has the user verify who they
 * are, and the call is made once more, with a fresh token.
 *
 *     const remove = useReverification(reverifiable((call, id: string) => invoices.deleteInvoice({ id }, call)));
 *
 * Pass `call` on. Without a reverification Clerk asks for the second factor, or for
 * the first where the user has no second.
 */
export function reverifiable<Args extends unknown[], T>(
  make: (call: CallOptions, ...args: Args) => Promise<T>,
  reverification?: ClerkReverification,
): (...args: Args) => Promise<T | ReverificationHint> {
  let verified = false;
  return async (...args) => {
    const contextValues = createContextValues().set(freshToken, verified);
    verified = false;
    try {
      return await make({ contextValues }, ...args);
    } catch (error) {
      if (reasonOf(error) !== "REVERIFICATION_REQUIRED") {
        throw error;
      }
      verified = true; // when Clerk calls again
      return { clerk_error: { type: "forbidden", reason: "reverification-error", metadata: { reverification } } };
    }
  };
}
