import { ConnectError } from "@connectrpc/connect";
import { authReason } from "@ostiary/client";

/** What to tell a person about a call or a stream that ended with this error. */
export function sentence(error: unknown): string {
  switch (authReason(error)) {
    case "TOKEN_REVOKED":
      return "This session has been ended. Sign in again to go on.";
    case "TOKEN_MISSING":
    case "TOKEN_EXPIRED":
      return "You are no longer signed in. Sign in again to go on.";
    default:
      return `The API does not answer: ${ConnectError.from(error).rawMessage}.`;
  }
}
