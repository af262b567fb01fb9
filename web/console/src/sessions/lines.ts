import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { SubjectRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { Row } from "./changes";
import { subjectOf } from "./names";

/** The sessions of one subject. */
export interface Group extends Pick<SubjectRef, "issuer" | "subject"> {
  key: string;
  rows: Row[];
  /** It may have more sessions, on a page that was not read yet. */
  more: boolean;
  /** When one of them was seen last. */
  lastSeen: Timestamp | undefined;
}

/** A line of the table. */
export type Line = { kind: "session"; row: Row } | { kind: "group"; group: Group; open: boolean };

/** Whether there is something to end: a session that has expired can go on with a newer token. */
export function canEnd({ session, gone }: Row): boolean {
  return !gone && session.state !== SessionState.REVOKED;
}

/**
 * The rows by subject, as they are listed. Sessions that the user has asked for are the first of
 * their subject's, and subjects of which no other is listed come first. More says whether another
 * page follows.
 */
export function groupsOf(rows: readonly Row[], more: boolean): Group[] {
  const groups = new Map<string, Group & { place: number }>();
  for (const [index, row] of rows.entries()) {
    const name = row.session.session;
    const issuer = name?.issuer ?? "";
    const subject = subjectOf(name);
    const key = JSON.stringify([issuer, subject]);
    const group = groups.get(key) ?? { key, issuer, subject, rows: [], more: false, lastSeen: undefined, place: -1 };
    group.rows.push(row);
    group.more = more && index === rows.length - 1;
    group.lastSeen = latest(group.lastSeen, row.session.lastSeenTime);
    if (!row.added && group.place < 0) {
      group.place = index;
    }
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => a.place - b.place);
}

/** The lines of the table: one for each row, or one for each group, and after it the rows of those that are open. */
export function linesOf(rows: readonly Row[], grouped: boolean, open: ReadonlySet<string>, more: boolean): Line[] {
  if (!grouped) {
    return rows.map((row) => ({ kind: "session", row }));
  }
  return groupsOf(rows, more).flatMap((group): Line[] => {
    const shown = open.has(group.key);
    return [{ kind: "group", group, open: shown }, ...(shown ? group.rows.map((row): Line => ({ kind: "session", row })) : [])];
  });
}

function latest(a: Timestamp | undefined, b: Timestamp | undefined): Timestamp | undefined {
  return a === undefined || (b !== undefined && timestampMs(b) > timestampMs(a)) ? b : a;
}
