import { type Session, type SessionEvent, SessionEventType, type WatchSessionsResponse } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { compareTexts } from "../api/texts";
import { compareTimes } from "../api/times";
import { type Filter, matches, orderOf } from "./filter";
import { keyOf, subjectOf } from "./names";

/** What the stream has brought since the list was read. */
export interface Changes {
  /** Where the stream begins, or goes on after a break; undefined before the list was read. */
  position?: string;
  /** The latest of each session that has changed. */
  latest: ReadonlyMap<string, Change>;
  /** The stream has brought an event that this version does not know: the sessions must be listed again. */
  unknown: boolean;
  /** How many new sessions were left out because there were too many: the sessions must be listed again to see them. */
  leftOut: number;
}

interface Change {
  /** Its latest state; undefined where the stream has brought no more than that it is gone. */
  session: Session | undefined;
  /** It was removed, or the caller may no longer see it. */
  gone: boolean;
}

export const noChanges: Changes = { latest: new Map(), unknown: false, leftOut: 0 };

/** How many new sessions are kept for the user to ask for. */
export const mostFresh = 1000;

/** The changes after a message of the stream. */
export function withMessage(changes: Changes, { events, resumeToken }: WatchSessionsResponse): Changes {
  if (events.length === 0) {
    return { ...changes, position: resumeToken }; // a heartbeat
  }
  const latest = new Map(changes.latest);
  const known = events.map((event) => apply(event, latest));
  return { ...changes, position: resumeToken, latest, unknown: known.includes(false) };
}

/** Applies an event, and returns whether it is known. */
function apply({ type, session }: SessionEvent, latest: Map<string, Change>): boolean {
  if (session?.session === undefined) {
    return false;
  }
  const key = keyOf(session.session);
  switch (type) {
    case SessionEventType.SEEN:
    case SessionEventType.RENEWED:
    case SessionEventType.REVOKED:
    case SessionEventType.EXPIRED:
    case SessionEventType.CHANGED:
      latest.set(key, { session, gone: false });
      return true;
    case SessionEventType.REMOVED:
    case SessionEventType.LEFT:
      latest.set(key, { session: latest.get(key)?.session, gone: true });
      return true;
    default:
      return false;
  }
}

/** The changes that a list may lack: those that have come since it was requested. It was read at a position. */
export function changesSince(before: Changes, now: Changes, position: string): Changes {
  return {
    ...now,
    position: now.position === undefined || now.position === before.position ? position : now.position,
    latest: new Map([...now.latest].filter(([key, change]) => before.latest.get(key) !== change)),
    leftOut: Math.max(0, now.leftOut - before.leftOut),
  };
}

/** The changes without those that the table does not need, once there are many. Where there are too many new sessions, none is kept. */
export function trimmed(changes: Changes, tableOf: (changes: Changes) => Table): Changes {
  if (changes.latest.size <= 2 * mostFresh) {
    return changes;
  }
  const { rows, fresh } = tableOf(changes);
  const tooMany = fresh.length > mostFresh;
  const needed = new Set((tooMany ? rows : [...rows, ...fresh]).map(({ key }) => key));
  return {
    ...changes,
    latest: new Map([...changes.latest].filter(([key]) => needed.has(key))),
    leftOut: changes.leftOut + (tooMany ? fresh.length : 0),
  };
}

export interface Row {
  key: string;
  session: Session;
  /** It was removed since, or the caller may no longer see it. It stays where it is until the list is read again. */
  gone: boolean;
  /** The stream has brought it, and the user has asked for it. */
  added: boolean;
}

export interface Table {
  rows: Row[];
  /** The sessions that match and are not shown yet. */
  fresh: Row[];
}

/**
 * The rows of the table, and the new ones that are not shown yet. Rows that are
 * shown keep their places: the pages as they were read, and before them the new
 * ones that the user has asked for.
 */
export function rowsOf(listed: readonly Session[], more: boolean, changes: Changes, shown: ReadonlySet<string>, filter: Filter): Table {
  const row = (key: string, session: Session): Row => {
    const change = changes.latest.get(key);
    return { key, session: change?.session ?? session, gone: change?.gone ?? false, added: false };
  };
  const rows = new Map(listed.map((session) => row(keyOf(session.session), session)).map((row) => [row.key, row]));
  const last = listed.at(-1);
  // Whether it comes with a later page.
  const comes = (session: Session) => more && last !== undefined && isBehind(session, last, orderOf(filter));
  const asked: Row[] = [];
  const fresh: Row[] = [];
  for (const [key, { session, gone }] of changes.latest) {
    if (session === undefined || rows.has(key)) {
      continue;
    }
    if (shown.has(key)) {
      asked.push({ key, session, gone, added: true });
    } else if (!gone && !comes(session) && matches(session, filter)) {
      fresh.push({ key, session, gone, added: false });
    }
  }
  const byTime = (a: Row, b: Row) => later(b.session, a.session);
  return { rows: [...asked.sort(byTime), ...rows.values()], fresh: fresh.sort(byTime) };
}

/** Whether a session is behind another in an order. */
function isBehind(a: Session, b: Session, order: ReturnType<typeof orderOf>): boolean {
  switch (order) {
    case "oldest":
      return later(a, b) > 0;
    case "last-seen":
      return compareTimes(a.lastSeenTime, b.lastSeenTime) < 0;
    case "subject":
      return (bySubject(a, b) || later(b, a)) > 0;
    default:
      return later(a, b) < 0;
  }
}

/** The order of two sessions by their subjects and issuers: above 0 where the first is behind the second. */
function bySubject({ session: a }: Session, { session: b }: Session): number {
  return compareTexts(subjectOf(a), subjectOf(b)) || compareTexts(a?.issuer ?? "", b?.issuer ?? "");
}

/** How much later one session was first seen than another: above 0 where it was later. */
function later(a: Session, b: Session): number {
  return compareTimes(a.firstSeenTime, b.firstSeenTime);
}
