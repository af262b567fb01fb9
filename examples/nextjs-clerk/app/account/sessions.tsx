"use client";

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { isSignedOut, type StreamState } from "@ostiary/client";
import type { SessionRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { type Session, SessionService, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useApiClient } from "@ostiary/client/react";
import { useEffect, useState } from "react";
import { sentence } from "@/api/sentence";
import { useSession } from "@/auth/session";
import { followSessions } from "./follow";

/** Your sessions, live: a stream of the API, which ends with the session. */
export function Sessions() {
  const here = useSession();
  const client = useApiClient(SessionService);
  const [sessions, setSessions] = useState<Session[]>([]);
  const [state, setState] = useState<StreamState["state"]>("opening");
  const [fault, setFault] = useState<unknown>();

  useEffect(() => {
    const leave = new AbortController();
    setFault(undefined);
    followSessions(client, { signal: leave.signal, onState: ({ state }) => setState(state), onSessions: setSessions }).catch((error: unknown) => {
      if (!leave.signal.aborted) {
        setFault(error);
      }
    });
    return () => leave.abort();
  }, [client]);

  async function end(session: SessionRef): Promise<void> {
    await client.revokeSession({ target: { case: "session", value: session } }).catch(setFault);
  }

  if (fault !== undefined) {
    return (
      <p role="alert">
        {sentence(fault)}{" "}
        {isSignedOut(fault) ? <button onClick={() => void here.signOut()}>Sign in again</button> : <button onClick={() => location.reload()}>Try again</button>}
      </p>
    );
  }
  return (
    <section aria-label="Your sessions">
      <h2>Your sessions</h2>
      <p role="status">{state === "open" ? "Live" : "Connecting …"}</p>
      <ul>
        {sessions.map(({ session, state, lastSeenTime }) => (
          <li key={session?.sessionId}>
            {session?.sessionId === here.id ? "This one" : "Another one"}, last seen {lastSeenTime && timestampDate(lastSeenTime).toLocaleTimeString()}
            {session !== undefined && state === SessionState.ACTIVE ? (
              <button onClick={() => void end(session)}>End</button>
            ) : (
              ": ended"
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
