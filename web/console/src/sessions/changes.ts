import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Session, type SessionEvent, SessionEventType, type WatchSessionsResponse } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { Order } from "./filter";
import { keyOf } from "./names";

/** What the stream has brought since the list was read. */
export interface Changes {
  /** Where to go on after a break; undefined before the first message. */
  position?: string;
  /** The latest state of each session that has changed. */
  sessions: ReadonlyMap<string, Session>;
  /** Sessions that were removed, or that the caller may no longer see. */
  gone: ReadonlySet<string>;
  /** The stream has brought an event that this version does not know: the sessions must be listed again. */
  unknown: boolean;
}

export const noChanges: Changes = { sessions: new Map(), gone: new Set(), unknown: false };

/** The changes after a message of the stream. */
export function withMessage(changes: Changes, { events, resumeToken }: WatchSessionsResponse): Changes {
  if (events.length === 0) {
    return { ...changes, position: resumeToken }; // a heartbeat
  }
  const sessions = new Map(changes.sessions);
  const gone = new Set(changes.gone);
  const known = events.map((event) => apply(event, sessions, gone));
  return { position: resumeToken, sessions, gone, unknown: known.includes(false) };
}

/** Applies an event, and returns whether it is known. */
function apply({ type, session }: SessionEvent, sessions: Map<string, Session>, gone: Set<string>): boolean {
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
      sessions.set(key, session);
      gone.delete(key);
      return true;
    case SessionEventType.REMOVED:
    case SessionEventType.LEFT:
      gone.add(key);
      return true;
    default:
      return false;
  }
}

export interface Row {
  key: string;
  session: Session;
  /** It was removed since, or the caller may no longer see it. It stays where it is until the list is read again. */
  gone: boolean;
  /** The stream has brought it, and the user has asked for it. */
  added: boolean;
}

/**
 * The rows of the table, and the new ones that are not shown yet. Rows that are
 * shown keep their places: the pages as they were read, and before them the new
 * ones that the user has asked for.
 */
export function rowsOf(listed: readonly Session[], more: boolean, changes: Changes, shown: ReadonlySet<string>, order?: Order): { rows: Row[]; fresh: Row[] } {
  const row = (session: Session): Row => {
    const key = keyOf(session.session);
    return { key, session: changes.sessions.get(key) ?? session, gone: changes.gone.has(key), added: false };
  };
  const rows = [...new Map(listed.map((session) => [keyOf(session.session), row(session)])).values()];
  const keys = new Set(rows.map(({ key }) => key));
  const last = listed.at(-1);
  // Whether it comes with a later page.
  const comes = (session: Session) => more && last !== undefined && isBehind(session, last, order);
  const others = [...changes.sessions.values()]
    .map(row)
    .filter(({ key, session, gone }) => !keys.has(key) && (!gone || shown.has(key)) && (shown.has(key) || !comes(session)))
    .sort((a, b) => later(b.session, a.session));
  const asked = others.filter(({ key }) => shown.has(key)).map((row) => ({ ...row, added: true }));
  return { rows: [...asked, ...rows], fresh: others.filter(({ key }) => !shown.has(key)) };
}

/** Whether a session is behind another in an order. */
function isBehind(a: Session, b: Session, order: Order | undefined): boolean {
  switch (order) {
    case "oldest":
      return later(a, b) > 0;
    case "last-seen":
      return compare(a.lastSeenTime, b.lastSeenTime) < 0;
    default:
      return later(a, b) < 0;
  }
}

/** How much later one session was first seen than another: above 0 where it was later. */
function later(a: Session, b: Session): number {
  return compare(a.firstSeenTime, b.firstSeenTime);
}

function compare(a: Timestamp | undefined, b: Timestamp | undefined): number {
  return Number((a?.seconds ?? 0n) - (b?.seconds ?? 0n)) || (a?.nanos ?? 0) - (b?.nanos ?? 0);
}
