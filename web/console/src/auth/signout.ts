import { Code, type ConnectError } from "@connectrpc/connect";
import { reasonOf, retryDelay, TokenSourceError } from "@ostiary/client";
import { tokenFailure } from "../ui/errors";
import { ended } from "../ui/text";
import type { IssuerSession } from "./signedin";

/** How a user is signed out. */
export interface SignOut {
  /** What the user is told. */
  message: string;
  /** Tells the issuer. Default: it is not told. */
  tell?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Where the session goes on, which the user may want to end. Default: nowhere, or nobody can end it here. */
  goesOnAt?: GoesOnAt | undefined;
}

/** An issuer that still has its session with a user who was signed out. */
export interface GoesOnAt {
  name: string;
  /** Ends the session there. */
  end: (signal: AbortSignal) => Promise<void>;
}

/** Why nobody is signed in any more; pending until the issuer was told. */
export interface Notice {
  text: string;
  pending: boolean;
  goesOnAt?: GoesOnAt | undefined;
}

/** The sign-out that the user asks for. */
export function signOutByUser({ end, goesOn }: IssuerSession): SignOut {
  return end === undefined ? { message: `You have left. ${goesOn}` } : { message: "You have signed out.", tell: end };
}

/** The sign-out after the server has refused the user's token. */
export function signOutByServer(error: ConnectError, issuerSession: IssuerSession): SignOut {
  const { at, end } = issuerSession;
  return { ...whyByServer(error, issuerSession), goesOnAt: at === undefined || end === undefined ? undefined : { name: at, end } };
}

function whyByServer(error: ConnectError, issuerSession: IssuerSession): SignOut {
  const failure = tokenFailure(error);
  if (failure !== undefined) {
    return { message: `You are signed out: ${ended(failure)}` };
  }
  const reason = reasonOf(error);
  switch (reason) {
    case "TOKEN_REVOKED":
      return { message: "Your session was ended.", tell: issuerSession.ended };
    case "TOKEN_EXPIRED":
      return { message: "Your session has expired.", tell: issuerSession.ended };
    case "TOKEN_MISSING":
      return { message: "You are no longer signed in." };
    default:
      // The server may be wrong about it: this is no reason to end the session at the issuer.
      return { message: `The server refuses your token: ${error.rawMessage} (${reason ?? Code[error.code]}).` };
  }
}

/** Whether a call has failed because the issuer gives no other token, although the present one has not expired. */
export function givesNoOther({ cause }: ConnectError): boolean {
  return cause instanceof TokenSourceError && cause.cause instanceof TokenSourceError && cause.cause.permanent;
}

/** The longest, in milliseconds, that a user waits for a sign-in to count. */
const longestWait = 60_000;

/**
 * How many milliseconds to wait until a new token of the same sign-in is accepted. After all sessions of a user were
 * ended, tokens are refused that may be older, by what clocks may differ. 0 where waiting does not help.
 */
export function waitAfter(error: ConnectError): number {
  const delay = reasonOf(error) === "TOKEN_REVOKED" ? retryDelay(error) : 0;
  return delay <= longestWait ? delay : 0;
}

/** Does work, and fails if it takes longer than so many milliseconds. */
export function withTimeout(milliseconds: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const signal = AbortSignal.timeout(milliseconds);
  const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([work(signal), late]);
}
