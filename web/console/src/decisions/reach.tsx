import { useNow } from "../api/clock";
import type { Kept } from "./kept";

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Since when there are decisions: the time, and the day where that is another. */
export function Since({ at }: { at: number }) {
  const date = new Date(at);
  const today = date.toDateString() === new Date(useNow()).toDateString();
  return (
    <>
      since <time dateTime={date.toISOString()}>{(today ? time : dateAndTime).format(date)}</time>
    </>
  );
}

/** How far back the decisions go that are kept. */
export function Reach({ kept: { refusedSince, admittedSince } }: { kept: Kept }) {
  if (refusedSince !== undefined && refusedSince === admittedSince) {
    return (
      <>
        all <Since at={refusedSince} />
      </>
    );
  }
  return (
    <>
      {refusedSince !== undefined && (
        <>
          refusals <Since at={refusedSince} />
        </>
      )}
      {refusedSince !== undefined && admittedSince !== undefined && ", "}
      {admittedSince !== undefined && (
        <>
          admitted calls <Since at={admittedSince} />
        </>
      )}
    </>
  );
}
