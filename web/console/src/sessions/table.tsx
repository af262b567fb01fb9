import { type Session, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useState } from "react";
import { countOf, type List } from "../api/pages";
import { Moment } from "../ui/moment";
import { Badge } from "../ui/names";
import { Shortened } from "../ui/shortened";
import { showHidden } from "../ui/text";
import { rowClass, VirtualTable } from "../ui/virtualtable";
import type { Row } from "./changes";
import { canEnd, type Group, linesOf } from "./lines";
import { stateOf, subjectOf } from "./names";
import { SelectBox } from "./selectbox";
import type { Selection } from "./selection";
import styles from "./sessions.module.css";
import { deviceOf, widthsOf } from "./widths";

const columns = ["Select", "Subject", "State", "Organization", "Device", "First seen", "Last seen", "Session", ""] as const;

interface Props {
  rows: Row[];
  /** Shows a line for each subject, which opens its sessions. */
  grouped: boolean;
  selection: Selection;
  currentKey: string | undefined;
  /** The session whose details are shown. */
  open: string | undefined;
  onOpen: (key: string) => void;
  onEnd: (session: Session) => void;
  /** Ends all sessions of a group. */
  onEndAll: (group: Group) => void;
  /** Where they are read from. */
  list: List;
}

/** The table of sessions. */
export function SessionTable({ rows, grouped, selection, currentKey, open, onOpen, onEnd, onEndAll, list }: Props) {
  const [openGroups, setOpenGroups] = useState<ReadonlySet<string>>(new Set());
  const toggleGroup = ({ key }: Group) => {
    const next = new Set(openGroups);
    next.delete(key) || next.add(key);
    setOpenGroups(next);
  };
  const lines = linesOf(rows, grouped, openGroups, list.hasNextPage);
  const line = (index: number) => {
    const line = lines[index];
    switch (line?.kind) {
      case "group":
        return (
          <GroupLine key={line.group.key} group={line.group} index={index} open={line.open} selection={selection} onToggle={toggleGroup} onEndAll={onEndAll} />
        );
      case "session":
        return (
          <SessionLine
            key={line.row.key}
            row={line.row}
            index={index}
            indented={grouped}
            current={line.row.key === currentKey}
            open={line.row.key === open}
            selection={selection}
            onOpen={onOpen}
            onEnd={onEnd}
          />
        );
      default:
        return undefined;
    }
  };
  const heads = { Select: <SelectBox label="Select all sessions that are shown" rows={rows} selection={selection} /> };
  return (
    <VirtualTable
      label="Sessions"
      columns={columns}
      heads={heads}
      className={styles.table}
      style={widthsOf(rows, currentKey)}
      count={lines.length}
      row={line}
      list={list}
    />
  );
}

interface SessionLineProps extends Pick<Props, "selection" | "onOpen" | "onEnd"> {
  row: Row;
  index: number;
  indented: boolean;
  current: boolean;
  open: boolean;
}

function SessionLine({ row, index, indented, current, open, selection, onOpen, onEnd }: SessionLineProps) {
  const { key, session, gone } = row;
  const subject = showHidden(subjectOf(session.session));
  const id = showHidden(session.session?.sessionId ?? "");
  const { name: state, tone } = stateOf(session);
  const organization = showHidden(session.organizationId);
  const device = deviceOf(row);
  const endable = canEnd(row);
  return (
    // The button in the row does the same for the keyboard.
    <tr
      className={rowClass}
      aria-rowindex={index + 2}
      data-selected={open || selection.has(row) || undefined}
      data-quiet={!endable || undefined}
      data-indented={indented || undefined}
      onClick={(event) => (event.target as Element).closest("button, label") === null && onOpen(key)}
    >
      <td data-column="Select">
        <label>
          <input
            type="checkbox"
            aria-label={`Select the session of ${subject}, ${id}`}
            checked={selection.has(row)}
            disabled={!endable}
            onChange={(event) => selection.toggle(row, event.target.checked, !indented && (event.nativeEvent as MouseEvent).shiftKey)}
          />
        </label>
      </td>
      <td data-column="Subject">
        <button
          type="button"
          className={styles.open}
          id={rowId(key)}
          aria-expanded={open}
          title={subject}
          aria-label={`Details of ${subject}, ${id}`}
          onClick={() => onOpen(key)}
        >
          <Shortened>{subject}</Shortened>
        </button>
        {current && <Badge>this window</Badge>}
        {session.actor && <Badge tone="bad">impersonated</Badge>}
      </td>
      <td data-column="State">
        <Badge tone={gone ? "quiet" : tone}>{gone ? "removed" : state}</Badge>
      </td>
      <td data-column="Organization" title={organization} aria-label={organization || undefined}>
        <Shortened>{organization}</Shortened>
      </td>
      <td data-column="Device" title={device} aria-label={device}>
        <Shortened>{device}</Shortened>
      </td>
      <td data-column="First seen">
        <Moment at={session.firstSeenTime} short />
      </td>
      <td data-column="Last seen">
        <Moment at={session.lastSeenTime} short />
      </td>
      <td data-column="Session" title={id} aria-label={id}>
        <code>
          <Shortened>{id}</Shortened>
        </code>
      </td>
      <td data-column="">
        {endable && (
          <button type="button" className={styles.end} aria-label={`End the session of ${subject}, ${id}`} onClick={() => onEnd(session)}>
            End
          </button>
        )}
      </td>
    </tr>
  );
}

interface GroupLineProps extends Pick<Props, "selection" | "onEndAll"> {
  group: Group;
  index: number;
  open: boolean;
  onToggle: (group: Group) => void;
}

function GroupLine({ group, index, open, selection, onToggle, onEndAll }: GroupLineProps) {
  const subject = showHidden(group.subject);
  const { length } = group.rows;
  const endable = group.rows.filter(canEnd).length;
  const active = group.rows.filter(({ session, gone }) => !gone && session.state === SessionState.ACTIVE).length;
  const label = countOf(BigInt(length), group.more, "session", "sessions");
  return (
    <tr
      className={rowClass}
      aria-rowindex={index + 2}
      data-group
      data-quiet={endable === 0 || undefined}
      onClick={(event) => (event.target as Element).closest("button, label") === null && onToggle(group)}
    >
      <td data-column="Select">
        <SelectBox label={`Select all sessions of ${subject}`} rows={group.rows} selection={selection} />
      </td>
      <td data-column="Subject">
        <button
          type="button"
          className={styles.open}
          aria-expanded={open}
          title={subject}
          aria-label={`${label} of ${subject}`}
          onClick={() => onToggle(group)}
        >
          <span className={styles.arrow} aria-hidden="true" />
          <Shortened>{subject}</Shortened>
        </button>
      </td>
      <td data-column="State">{active > 0 && <Badge tone="good">{group.more ? "active" : `${active} active`}</Badge>}</td>
      <td data-column="Organization" />
      <td data-column="Device">{label}</td>
      <td data-column="First seen" />
      <td data-column="Last seen">
        <Moment at={group.lastSeen} short />
      </td>
      <td data-column="Session" />
      <td data-column="">
        {endable > 0 && (
          <button type="button" className={styles.end} aria-label={`End all sessions of ${subject}`} onClick={() => onEndAll(group)}>
            End all
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
