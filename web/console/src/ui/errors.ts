import { Code, ConnectError } from "@connectrpc/connect";
import { fieldViolations, reasonOf, TokenSourceError } from "@ostiary/client";
import { sentence } from "./text";

/** What is said before the list of fields. The server's message would repeat them. */
export const invalidRequest = "The request is not valid.";

/** What has failed, in a sentence, and either what to do or the code of the error. */
export interface Explanation {
  what: string;
  hint?: string;
  code?: string;
}

/** Explains a failure of the token source, of the network or of the server. */
export function explain(error: unknown): Explanation {
  if (error instanceof TokenSourceError) {
    return { what: sentence(error.message), hint: error.permanent ? "Sign in as somebody else." : "Check that it is running, then try again." };
  }
  const source = tokenFailure(error);
  if (source !== undefined) {
    return { what: `There is no token to call with: ${source}.`, hint: "The server was not asked. Try again, or sign out and in again." };
  }
  if (!(error instanceof ConnectError) && error instanceof Error && !(error instanceof TypeError)) {
    return { what: sentence(error.message || error.name), hint: "Try again, or load the page again." };
  }
  const failure = ConnectError.from(error);
  const reason = reasonOf(failure);
  if (reason === undefined && (failure.cause instanceof TypeError || error instanceof TypeError)) {
    return { what: "The server cannot be reached.", hint: "Check that it is running, then try again." };
  }
  if (reason === undefined && failure.code === Code.Unavailable) {
    return { what: "The server cannot serve at the moment.", code: failure.rawMessage };
  }
  const what = fieldViolations(failure).length > 0 ? invalidRequest : sentence(failure.rawMessage || "the call failed");
  return { what, code: reason ?? Code[failure.code] };
}

/** Why there was no token to call with; undefined where something else has failed. */
export function tokenFailure(error: unknown): string | undefined {
  return error instanceof ConnectError && error.cause instanceof TokenSourceError ? error.cause.message : undefined;
}
