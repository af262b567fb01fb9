import type { SessionRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { type Session, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { Tone } from "../ui/names";

/** The subject of a session. */
export function subjectOf(name: SessionRef | undefined): string {
  return name?.owner.case === "subject" ? name.owner.value : "";
}

/** A text of its own for each session: two subjects can have one by the same id. */
export function keyOf(name: SessionRef | undefined): string {
  return JSON.stringify([name?.issuer, subjectOf(name), name?.sessionId]);
}

const states: Record<SessionState, { name: "unknown" | "active" | "expired" | "ended"; tone: Tone }> = {
  [SessionState.UNSPECIFIED]: { name: "unknown", tone: "quiet" },
  [SessionState.ACTIVE]: { name: "active", tone: "good" },
  [SessionState.EXPIRED]: { name: "expired", tone: "quiet" },
  [SessionState.REVOKED]: { name: "ended", tone: "bad" },
};

/** Whether a session goes on, in a word. A state of a later version of the server is unknown. */
export function stateOf({ state }: Session): (typeof states)[SessionState] {
  return states[state] ?? states[SessionState.UNSPECIFIED];
}
