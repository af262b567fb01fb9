import { Code, ConnectError } from "@connectrpc/connect";
import { fieldViolations, reasonOf, TokenSourceError } from "@ostiary/client";
import { Unreachable } from "../api/get";
import { PageNotLoaded } from "../app/lazy";
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
  const source = error instanceof TokenSourceError ? error : sourceOf(error);
  if (source !== undefined) {
    return { what: sentence(source.message), hint: source.permanent ? "Sign in as somebody else." : "Check that it is running, then try again." };
  }
  if (error instanceof Unreachable || (error instanceof ConnectError && reasonOf(error) === undefined && error.cause instanceof TypeError)) {
    return { what: "The server cannot be reached.", hint: "Check that it is running, then try again." };
  }
  if (error instanceof PageNotLoaded) {
    return { what: sentence(error.message), hint: "Check that the server is running, then load the page again: it may be of another version now." };
  }
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) {
    return { what: `This page has failed: ${error.message}.`, hint: "Load the page again. If it fails again, report it: this is a fault of the console." };
  }
  if (!(error instanceof ConnectError) && error instanceof Error) {
    return { what: sentence(error.message || error.name), hint: "Try again, or load the page again." };
  }
  const failure = ConnectError.from(error);
  const reason = reasonOf(failure);
  if (reason === undefined && failure.code === Code.Unavailable) {
    return { what: "The server cannot serve at the moment.", code: failure.rawMessage };
  }
  const what = fieldViolations(failure).length > 0 ? invalidRequest : sentence(failure.rawMessage || "the call failed");
  // The server tells no caller what is wrong with an issuer.
  const why = reason === "KEYS_UNAVAILABLE" ? " Where the server runs, ostiary doctor says why." : "";
  return { what: what + why, code: reason ?? Code[failure.code] };
}

/** Why there was no token to call with; undefined where something else has failed. */
export function tokenFailure(error: unknown): string | undefined {
  return sourceOf(error)?.message;
}

function sourceOf(error: unknown): TokenSourceError | undefined {
  return error instanceof ConnectError && error.cause instanceof TokenSourceError ? error.cause : undefined;
}
