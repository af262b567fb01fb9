import { reasonOf } from "./details.js";
import { errorDomain, reasons, serviceReasons } from "./reasons.js";

/** One of {@link reasons}. */
export type Reason = (typeof reasons)[number];

/** One of {@link serviceReasons}. */
export type ServiceReason = (typeof serviceReasons)[number];

/** Tells whether a text is the name of a reason. */
export function isReason(text: string): text is Reason {
  return (reasons as readonly string[]).includes(text);
}

/**
 * Returns why a call was refused; undefined where the error is no refusal, or
 * one for a reason that this version does not know.
 */
export function authReason(error: unknown): Reason | undefined {
  const reason = reasonOf(error, errorDomain);
  return reason !== undefined && isReason(reason) ? reason : undefined;
}

/**
 * Returns why a method of ostiary's own services failed, such as
 * SESSION_NOT_FOUND; undefined where the error is another, a refusal included, or
 * has a reason that this version does not know.
 */
export function serviceReason(error: unknown): ServiceReason | undefined {
  const reason = reasonOf(error, errorDomain);
  return serviceReasons.find((known) => known === reason);
}
