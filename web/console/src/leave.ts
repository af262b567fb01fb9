import { Code, type ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@ostiary/client";
import { tokenFailure } from "./parts";
import type { Issuer } from "./signedin";

/** How somebody leaves. */
export interface Leaving {
  /** What is said to them. */
  said: string;
  /** Tells others that they have left. Default: nobody has to be told. */
  tell?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** Why nobody is signed in any more; pending until those who must be told have been. */
export interface Notice {
  text: string;
  pending: boolean;
}

/** How to leave when the user wants to. */
export function goodbye({ end, lasting }: Issuer): Leaving {
  return end === undefined ? { said: `You have left. ${lasting}` } : { said: "You have signed out.", tell: end };
}

/** How to leave when a call was refused for whom it was made. */
export function farewell(error: ConnectError, issuer: Issuer): Leaving {
  const failure = tokenFailure(error);
  if (failure !== undefined) {
    return { said: `You are signed out: ${failure}.` };
  }
  const reason = reasonOf(error);
  switch (reason) {
    case "TOKEN_REVOKED":
      return { said: "Your session was ended.", tell: issuer.over };
    case "TOKEN_EXPIRED":
      return { said: "Your session has expired.", tell: issuer.over };
    case "TOKEN_MISSING":
      return { said: "You are no longer signed in." };
    default:
      // The server may be wrong about it: this is no reason to end the session elsewhere.
      return { said: `The server refuses your token: ${error.rawMessage} (${reason ?? Code[error.code]}).` };
  }
}

/** Does some work, but fails once it has taken so many milliseconds. */
export function atMost(milliseconds: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const signal = AbortSignal.timeout(milliseconds);
  const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([work(signal), late]);
}
