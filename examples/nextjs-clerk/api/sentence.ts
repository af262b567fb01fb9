import { ConnectError } from "@connectrpc/connect";
import { isSignedOut, reasonOf } from "@ostiary/client";

/** What to tell a person about a call or a stream that ended with this error. */
export function sentence(error: unknown): string {
  if (reasonOf(error) === "TOKEN_REVOKED") {
    return "This session has been ended. Sign in again to go on.";
  }
  if (isSignedOut(error)) {
    return "You are no longer signed in. Sign in again to go on.";
  }
  return `The API does not answer as it should: ${ConnectError.from(error).rawMessage}.`;
}
