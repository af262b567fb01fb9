import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { reasonOf, resumable, type ResumeOptions } from "@ostiary/client";
import type { SessionRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { type Session, type SessionEvent, SessionEventType, type SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";

/** The most sessions that are kept. */
export const most = 200;

/** How many milliseconds to wait before the sessions are listed again, and at most, where that is of no use. */
const pace = 500;
const slowest = 30_000;

/** The newest of the sessions that the caller may see. */
export interface SessionList {
  /** Newest first, by when each was first seen. */
  sessions: Session[];
  /** The session of the caller's own token; undefined where that has none. */
  current?: SessionRef | undefined;
  /** There are older ones. */
  more: boolean;
}

/** Whose session a name stands for. */
export function subjectOf(name: SessionRef | undefined): string {
  return name?.owner.case === "subject" ? name.owner.value : "";
}

/** A text of its own for each session: two subjects can have one by the same id. */
export function keyOf(name: SessionRef | undefined): string {
  return JSON.stringify([name?.issuer, subjectOf(name), name?.sessionId]);
}

/** The list after some events; undefined where one is not known, and the sessions must be listed again. */
export function after(list: SessionList, events: SessionEvent[]): SessionList | undefined {
  const sessions = new Map(list.sessions.map((session) => [keyOf(session.session), session]));
  for (const { type, session } of events) {
    if (session?.session === undefined) {
      return undefined;
    }
    switch (type) {
      case SessionEventType.SEEN:
      case SessionEventType.RENEWED:
      case SessionEventType.REVOKED:
      case SessionEventType.EXPIRED:
      case SessionEventType.CHANGED:
        sessions.set(keyOf(session.session), session);
        break;
      case SessionEventType.REMOVED:
      case SessionEventType.LEFT:
        sessions.delete(keyOf(session.session));
        break;
      default:
        return undefined;
    }
  }
  const newest = [...sessions.values()].sort((a, b) => compare(b.firstSeenTime, a.firstSeenTime));
  return { ...list, sessions: newest.slice(0, most), more: list.more || newest.length > most };
}

function compare(a: Timestamp | undefined, b: Timestamp | undefined): number {
  return Number((a?.seconds ?? 0n) - (b?.seconds ?? 0n)) || (a?.nanos ?? 0) - (b?.nanos ?? 0);
}

/**
 * Lists the sessions, and then follows their changes until the signal ends it.
 * After a break it goes on from where it was; where the server cannot, it lists
 * them again. onList is told each list.
 */
export async function followSessions(client: Client<typeof SessionService>, onList: (list: SessionList) => void, options: ResumeOptions): Promise<void> {
  let list: SessionList | undefined;
  let resumeToken = "";
  let wait = pace;
  const open = resumable(async function* (call) {
    for (;;) {
      if (list === undefined) {
        const page = await client.listSessions({ pageSize: most }, call);
        ({ resumeToken } = page);
        onList((list = { sessions: page.sessions, current: page.currentSession, more: page.nextPageToken !== "" }));
      }
      const stop = new AbortController();
      const signals = [stop.signal, ...(call.signal ? [call.signal] : [])];
      try {
        for await (const message of client.watchSessions({ resumeToken }, { ...call, signal: AbortSignal.any(signals) })) {
          wait = pace;
          list = after(list, message.events);
          ({ resumeToken } = message);
          if (list === undefined) {
            break;
          }
          if (message.events.length > 0) { // else it is a heartbeat
            onList(list);
          }
          yield;
        }
        if (list !== undefined) {
          return;
        }
      } catch (error) {
        if (!isLost(error)) {
          throw error;
        }
        list = undefined;
      } finally {
        stop.abort();
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(2 * wait, slowest);
    }
  }, options);
  for await (const _ of open) {
  }
}

/** Tells whether the server cannot go on from a position. */
function isLost(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === "POSITION_EXPIRED" || reason === "POSITION_EPOCH_CHANGED";
}
