import type { CSSProperties } from "react";
import { showHidden } from "../ui/text";
import { browserOf } from "../ui/useragent";
import type { Row } from "./changes";
import { subjectOf } from "./names";

/** How many rows decide, so that the columns stay as they are while others are read. */
const looked = 200;

/** How many characters the mark of a session takes: this window, or impersonated. */
const mark = 13;

/** How wide a character of code is, in those of other texts. */
const code = 0.88;

/** From where a session was seen last, and how many others have seen it. */
export function deviceOf({ session: { sightings } }: Pick<Row, "session">): string {
  const [seen, ...others] = sightings;
  if (seen === undefined) {
    return "unknown";
  }
  return `${browserOf(seen.userAgent)} at ${showHidden(seen.ipAddress) || "an unknown address"}${others.length > 0 ? ` and ${others.length} more` : ""}`;
}

/** The widths with which the columns show all of the texts in the first rows, as properties of CSS. */
export function widthsOf(rows: readonly Row[], currentKey: string | undefined): CSSProperties {
  const first = rows.slice(0, looked);
  const width = (lengthOf: (row: Row) => number) => `calc(${Math.ceil(Math.max(8, ...first.map(lengthOf))) + 1}ch + 2 * var(--space-3))`;
  const names = {
    "--subject": width(({ key, session }) => showHidden(subjectOf(session.session)).length + (session.actor || key === currentKey ? mark : 0)),
    "--organization": width(({ session }) => showHidden(session.organizationId).length),
    "--device": width((row) => deviceOf(row).length),
    "--session": width(({ session }) => showHidden(session.session?.sessionId ?? "").length * code),
  };
  return names as CSSProperties;
}
