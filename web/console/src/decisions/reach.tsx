import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Moment } from "../ui/moment";
import type { Kept } from "./kept";

/** How far back the decisions go that are kept. */
export function Reach({ kept: { refusedSince, admittedSince } }: { kept: Kept }) {
  if (refusedSince !== undefined && refusedSince === admittedSince) {
    return (
      <>
        all back to <Moment at={timestampFromMs(refusedSince)} />
      </>
    );
  }
  return (
    <>
      {refusedSince !== undefined && (
        <>
          refusals back to <Moment at={timestampFromMs(refusedSince)} />
        </>
      )}
      {refusedSince !== undefined && admittedSince !== undefined && ", "}
      {admittedSince !== undefined && (
        <>
          admitted calls back to <Moment at={timestampFromMs(admittedSince)} />
        </>
      )}
    </>
  );
}
