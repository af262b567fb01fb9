import type { Caller, Origin } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { ReactNode } from "react";
import { Id } from "../ui/names";

/** Who or what has made a revocation; undefined where that is not said, or not known to this version. */
export function originOf(origin: Origin | undefined): ReactNode {
  const made = origin?.origin;
  switch (made?.case) {
    case "caller":
      return <Who caller={made.value} />;
    case "signal":
      return (
        <>
          a message of <Id>{made.value.source}</Id>
        </>
      );
    case "bulkImport":
      return made.value.caller ? (
        <>
          an import of <Who caller={made.value.caller} />
        </>
      ) : (
        "an import"
      );
    case "system":
      return made.value.user ? (
        <>
          <Id>{made.value.user}</Id> in the database
        </>
      ) : (
        "the server"
      );
    default:
      return undefined;
  }
}

/** The subject of who has made a revocation, as filters name it; undefined where nobody has. */
export function subjectOf(origin: Origin | undefined): string | undefined {
  const made = origin?.origin;
  switch (made?.case) {
    case "caller":
      return made.value.subject || undefined;
    case "bulkImport":
      return made.value.caller?.subject || undefined;
    case "system":
      return made.value.user || undefined;
    default:
      return undefined;
  }
}

function Who({ caller: { subject, actor } }: { caller: Caller }) {
  return actor ? (
    <>
      <Id>{actor.subject}</Id> acting as <Id>{subject}</Id>
    </>
  ) : (
    <Id>{subject}</Id>
  );
}
