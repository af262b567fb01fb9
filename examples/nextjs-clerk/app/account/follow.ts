import type { Client } from "@connectrpc/connect";
import { reasonOf, resumable, type StreamState } from "@ostiary/client";
import { type Session, SessionEventType, type SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";

interface Options {
  signal: AbortSignal;
  onState(state: StreamState): void;
  onSessions(sessions: Session[]): void;
}

/** Lists the caller's sessions, and again with each change, until the session of the call ends: then it throws why. */
export async function followSessions(client: Client<typeof SessionService>, { signal, onState, onSessions }: Options): Promise<void> {
  for (;;) {
    let { sessions, resumeToken } = await client.listSessions({}, { signal });
    const known = new Map(sessions.map((session) => [session.session?.sessionId, session]));
    onSessions([...known.values()]);
    try {
      for await (const message of resumable((call) => client.watchSessions({ resumeToken }, call), { signal, onState })) {
        ({ resumeToken } = message);
        if (message.events.some(({ type }) => SessionEventType[type] === undefined || type === SessionEventType.UNSPECIFIED)) {
          break; // an event of a newer server: list them again
        }
        for (const { type, session } of message.events) {
          const gone = type === SessionEventType.LEFT || type === SessionEventType.REMOVED;
          if (session && gone) {
            known.delete(session.session?.sessionId);
          } else if (session) {
            known.set(session.session?.sessionId, session);
          }
        }
        onSessions([...known.values()]);
      }
      if (signal.aborted) {
        return;
      }
    } catch (error) {
      // The server no longer has the changes since the list: begin with a new one.
      const reason = reasonOf(error);
      if (reason !== "POSITION_EXPIRED" && reason !== "POSITION_EPOCH_CHANGED") {
        throw error;
      }
    }
  }
}
