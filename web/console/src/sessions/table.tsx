import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { Moment } from "../ui/moment";
import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import { browserOf } from "../ui/useragent";
import { rowClass, VirtualTable } from "../ui/virtualtable";
import type { Row } from "./changes";
import { stateOf, subjectOf } from "./names";
import styles from "./sessions.module.css";

const columns = ["Subject", "State", "Organization", "Device", "First seen", "Last seen", "Session", ""] as const;

interface Props {
  rows: Row[];
  currentKey: string | undefined;
  selected: string | undefined;
  onSelect: (key: string) => void;
  onEnd: (session: Session) => void;
  /** Reads the next page; undefined where there is none, or it is being read. */
  more: (() => void) | undefined;
}

/** The table of sessions. */
export function SessionTable({ rows, currentKey, selected, onSelect, onEnd, more }: Props) {
  const line = (index: number) => {
    const row = rows[index];
    return (
      row && <Line key={row.key} row={row} index={index} current={row.key === currentKey} selected={row.key === selected} onSelect={onSelect} onEnd={onEnd} />
    );
  };
  return <VirtualTable label="Sessions" columns={columns} className={styles.table} count={rows.length} row={line} more={more} />;
}

interface LineProps extends Pick<Props, "onSelect" | "onEnd"> {
  row: Row;
  index: number;
  current: boolean;
  selected: boolean;
}

function Line({ row: { key, session, gone }, index, current, selected, onSelect, onEnd }: LineProps) {
  const subject = showHidden(subjectOf(session.session));
  const id = showHidden(session.session?.sessionId ?? "");
  const { name: state, tone } = stateOf(session);
  const [seen, ...others] = session.sightings;
  const device = `${browserOf(seen?.userAgent ?? "")} at ${showHidden(seen?.ipAddress ?? "") || "an unknown address"}${others.length > 0 ? ` and ${others.length} more` : ""}`;
  return (
    // The button in the row does the same for the keyboard.
    <tr
      className={rowClass}
      aria-rowindex={index + 2}
      data-selected={selected || undefined}
      data-quiet={state === "ended" || gone || undefined}
      onClick={(event) => (event.target as Element).closest("button") === null && onSelect(key)}
    >
      <td data-column="Subject">
        <button
          type="button"
          className={styles.open}
          id={rowId(key)}
          aria-expanded={selected}
          title={subject}
          aria-label={`Details of ${subject}, ${id}`}
          onClick={() => onSelect(key)}
        >
          <bdi>{subject}</bdi>
        </button>
        {current && <Badge>this window</Badge>}
        {session.actor && <Badge tone="bad">impersonated</Badge>}
      </td>
      <td data-column="State">
        <Badge tone={gone ? "quiet" : tone}>{gone ? "removed" : state}</Badge>
      </td>
      <td data-column="Organization" title={showHidden(session.organizationId)}>
        <bdi>{showHidden(session.organizationId)}</bdi>
      </td>
      <td data-column="Device" title={device}>
        {device}
      </td>
      <td data-column="First seen">
        <Moment at={session.firstSeenTime} short />
      </td>
      <td data-column="Last seen">
        <Moment at={session.lastSeenTime} short />
      </td>
      <td data-column="Session" title={id}>
        <code>{id}</code>
      </td>
      <td data-column="">
        {state !== "ended" && !gone && (
          <button type="button" className={styles.end} aria-label={`End the session of ${subject}, ${id}`} onClick={() => onEnd(session)}>
            End
          </button>
        )}
      </td>
    </tr>
  );
}

/** The id of what opens the details of a session, for the focus to return to. */
export function rowId(key: string): string {
  return `session ${key}`;
}
