import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { durationMs, DurationSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";

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
  return details(error, "google.rpc.BadRequest").flatMap((request) =>
    request.filter(({ field }) => field === 1).map(({ bytes }) => {
      const violation = readFields(bytes);
      return { field: text(violation, 1), description: text(violation, 2) };
    }),
  );
}

/** Returns the reason of a google.rpc.ErrorInfo of a domain. */
export function reasonOf(error: unknown, domain: string): string | undefined {
  const info = details(error, "google.rpc.ErrorInfo").find((fields) => text(fields, 2) === domain);
  return info && text(info, 1);
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
  const metadata = details(error, "google.rpc.ErrorInfo").flatMap((info) => info.filter(({ field }) => field === 3));
  const entry = metadata.map(({ bytes }) => readFields(bytes)).find((fields) => text(fields, 1) === "request_id");
  const id = entry === undefined ? (error.metadata.get("x-request-id") ?? "") : text(entry, 2);
  return /^[\w.:+/=@-]{1,128}$/.test(id) ? id : undefined;
}

/**
 * Returns the link to what can be done about an error, of a server that uses ostiary;
 * undefined where the error has none. It is an https URL of the server's choice: no
 * other scheme is returned, so that a page can show it.
 */
export function helpLink(error: unknown): string | undefined {
  const links = details(error, "google.rpc.Help").flatMap((help) => help.filter(({ field }) => field === 1));
  return links.map(({ bytes }) => text(readFields(bytes), 2)).find((url) => url.startsWith("https://"));
}

/** Returns how many milliseconds a google.rpc.RetryInfo asks to wait; 0 where there is none. */
export function retryDelay(error: unknown): number {
  const delay = details(error, "google.rpc.RetryInfo")[0]?.find(({ field }) => field === 1);
  try {
    return delay === undefined ? 0 : durationMs(fromBinary(DurationSchema, delay.bytes));
  } catch {
    return 0; // no Duration
  }
}

interface Field {
  field: number;
  bytes: Uint8Array;
}

function details(error: unknown, type: string): Field[][] {
  if (!(error instanceof ConnectError)) {
    return [];
  }
  return error.details.flatMap((detail) => (!("desc" in detail) && detail.type === type ? [readFields(detail.value)] : []));
}

/** Reads the texts and messages of a message, so that no schema has to be carried along; none where the bytes are no message. */
function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (type === WireType.LengthDelimited) {
        fields.push({ field, bytes: reader.bytes() });
      } else {
        reader.skip(type, field);
      }
    }
  } catch {
    return [];
  }
  return fields;
}

function text(fields: Field[], number: number): string {
  return new TextDecoder().decode(fields.findLast(({ field }) => field === number)?.bytes);
}
