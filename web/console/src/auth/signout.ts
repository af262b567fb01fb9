import { Code, type ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@ostiary/client";
import { tokenFailure } from "../ui/errors";
import type { IssuerSession } from "./signedin";

/** How a user is signed out. */
export interface SignOut {
  /** What the user is told. */
  message: string;
  /** Tells the issuer. Default: it is not told. */
  tell?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** Why nobody is signed in any more; pending until the issuer was told. */
export interface Notice {
  text: string;
  pending: boolean;
}

/** The sign-out that the user asks for. */
export function signOutByUser({ end, goesOn }: IssuerSession): SignOut {
  return end === undefined ? { message: `You have left. ${goesOn}` } : { message: "You have signed out.", tell: end };
}

/** The sign-out after the server has refused the user's token. */
export function signOutByServer(error: ConnectError, issuerSession: IssuerSession): SignOut {
  const failure = tokenFailure(error);
  if (failure !== undefined) {
    return { message: `You are signed out: ${failure}.` };
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

/** Does work, and fails if it takes longer than so many milliseconds. */
export function withTimeout(milliseconds: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const signal = AbortSignal.timeout(milliseconds);
  const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([work(signal), late]);
}
