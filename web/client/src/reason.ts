import { errorInfoReason } from "./details.js";
import { type AuthReason, errorDomain, type ServiceReason } from "./reasons.js";

/** Why a call failed: a reason of a guard, one of ostiary's own services, or one that only the server knows, which is newer. */
export type Reason = AuthReason | ServiceReason | (string & {});

/**
 * Returns why a guard refused a call, such as TOKEN_EXPIRED, or why a method of
 * ostiary's own services failed, such as SESSION_NOT_FOUND; undefined where the
 * error has no reason of ostiary's. A newer server may have reasons that are not
 * listed here: go by the error's code then.
 */
export function reasonOf(error: unknown): Reason | undefined {
  return errorInfoReason(error, errorDomain);
}

/**
 * Tells whether signing in again helps against an error: the session was ended
 * (TOKEN_REVOKED), its time is over (TOKEN_EXPIRED), or nobody is signed in
 * (TOKEN_MISSING).
 */
export function isSignedOut(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === "TOKEN_REVOKED" || reason === "TOKEN_EXPIRED" || reason === "TOKEN_MISSING";
}

/** Tells whether a fresh token could help against a refusal. */
export function isAboutTime(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === "TOKEN_EXPIRED" || reason === "TOKEN_NOT_YET_VALID";
}
