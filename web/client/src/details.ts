import { ConnectError } from "@connectrpc/connect";
import { type Field, readFields, text } from "./wire.js";

/** A field of a request that is not valid, as a google.rpc.BadRequest names it. */
export interface FieldViolation {
  /** The path of the field, such as `revocations[2].target.session.issuer`. */
  field: string;
  /** What is wrong with it, and what to do. */
  description: string;
}

/**
 * Returns the fields that are wrong with a request, where it was refused with
 * INVALID_REQUEST; none where the error names none.
 */
export function fieldViolations(error: unknown): FieldViolation[] {
  return nested(error, "BadRequest", 1).map((violation) => ({ field: text(violation, 1), description: text(violation, 2) }));
}

/** Returns the reason of a google.rpc.ErrorInfo of a domain. */
export function errorInfoReason(error: unknown, domain: string): string | undefined {
  const info = details(error, "ErrorInfo").find((fields) => text(fields, 2) === domain);
  return (info && text(info, 1)) || undefined;
}

/**
 * Returns the id by which the server's log names the call that has failed, to be shown to
 * the user; undefined where the server sent none. It is at most 128 letters, digits and
 * marks of ASCII.
 */
export function requestId(error: unknown): string | undefined {
  if (!(error instanceof ConnectError)) {
    return undefined;
  }
  const entry = nested(error, "ErrorInfo", 3).find((metadata) => text(metadata, 1) === "request_id");
  const id = entry === undefined ? (error.metadata.get("x-request-id") ?? "") : text(entry, 2);
  return /^[\w.:+/=@-]{1,128}$/.test(id) ? id : undefined;
}

/**
 * Returns the link to what can be done about an error, of a server that uses ostiary;
 * undefined where the error has none. It is an https URL of the server's choice: no
 * other scheme is returned, so that a page can show it.
 */
export function helpLink(error: unknown): string | undefined {
  return nested(error, "Help", 1)
    .map((link) => text(link, 2))
    .find((url) => url.startsWith("https://"));
}

/**
 * Returns how many milliseconds the server asks to wait before the call is made again, by
 * a google.rpc.RetryInfo; 0 where it does not. With TOKEN_REVOKED, the call is to be made
 * with a fresh token then.
 */
export function retryDelay(error: unknown): number {
  // A google.protobuf.Duration has seconds and nanos.
  return nested(error, "RetryInfo", 1)
    .flat()
    .reduce((sum, { no, number }) => sum + number * (no === 1 ? 1e3 : 1e-6), 0);
}

/** Returns the fields of the details of a type of google.rpc. */
function details(error: unknown, type: string): Field[][] {
  const all = error instanceof ConnectError ? error.details : [];
  return all.flatMap((detail) => ("type" in detail && detail.type === `google.rpc.${type}` ? [readFields(detail.value)] : []));
}

/** Returns the fields of the messages that such details have in a field. */
function nested(error: unknown, type: string, no: number): Field[][] {
  return details(error, type).flatMap((fields) => fields.filter((field) => field.no === no).map(({ bytes }) => readFields(bytes)));
}
