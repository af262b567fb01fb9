import { getOption, hasOption } from "@bufbuild/protobuf";
import { ReasonSchema, reason_detail } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import { documentation } from "../app/config";

const messages = new Map(
  ReasonSchema.values
    .filter((value) => hasOption(value, reason_detail))
    .map((value) => [value.name.replace(/^REASON_/, ""), getOption(value, reason_detail).message]),
);

/** The reasons of refusals, in the order of the schema. */
export const reasons = [...messages.keys()];

/** What callers are told who are refused for a reason; undefined for a reason that this version does not know. */
export function messageOf(reason: string): string | undefined {
  return messages.get(reason);
}

/** Where the documentation says what to do about a reason. */
export function helpOf(reason: string): string {
  return `${documentation}/troubleshooting.md#${reason.toLowerCase()}`;
}
