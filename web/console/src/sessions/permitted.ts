import type { SubjectRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { useOperator } from "../app/permitted";
import { useWatched } from "../app/watched";

/** Returns whether the caller may sign out a subject everywhere: itself, or as an operator anybody. */
export function useMayEndAll(): (of: Pick<SubjectRef, "issuer" | "subject">) => boolean {
  const operator = useOperator();
  const { identity } = useWatched();
  return ({ issuer, subject }) => operator || (identity?.subject === subject && identity.issuer === issuer && identity.actor === undefined);
}
