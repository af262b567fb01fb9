import { create } from "@bufbuild/protobuf";
import { type SessionRef, SessionRefSchema, type SubjectRef } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useRef, useState } from "react";
import { each } from "../api/each";
import { useSignedIn } from "../auth/signedin";
import { Confirm, type Press } from "../ui/confirm";
import { Moment } from "../ui/moment";
import { Fact, Id } from "../ui/names";
import ui from "../ui/ui.module.css";
import { keyOf, subjectOf } from "./names";
import { rowId } from "./table";
import { deviceOf } from "./widths";

/** What the dialog ends: one session, several sessions, or all sessions of a subject with every token issued so far. */
export type EndTarget =
  | { kind: "session"; session: Session }
  | { kind: "sessions"; sessions: readonly Session[] }
  | ({ kind: "subject" } & Pick<SubjectRef, "issuer" | "subject">);

interface Props<Kind extends EndTarget["kind"]> {
  target: Extract<EndTarget, { kind: Kind }>;
  /** The session of this window. */
  current: SessionRef | undefined;
  onClose: () => void;
}

/** Asks before sessions are ended. */
export function EndDialog({ target, ...props }: Props<EndTarget["kind"]>) {
  switch (target.kind) {
    case "session":
      return <EndOne target={target} {...props} />;
    case "sessions":
      return <EndMany target={target} {...props} />;
    case "subject":
      return <EndAll target={target} {...props} />;
  }
}

function EndOne({ target: { session }, current, onClose }: Props<"session">) {
  const { sessions } = useSignedIn();
  const name = session.session ?? create(SessionRefSchema);
  const own = current !== undefined && keyOf(current) === keyOf(name);
  const { actor, firstSeenTime } = session;
  return (
    <Confirm
      title={
        own ? (
          "End your own session?"
        ) : (
          <>
            End the session of <Id>{subjectOf(name)}</Id>?
          </>
        )
      }
      action="End the session"
      run={async ({ signal, ...press }) => void (await sessions.revokeSession({ target: { case: "session", value: name }, ...press }, { signal }))}
      onDone={() => document.getElementById(rowId(keyOf(name)))?.focus()}
      onClose={onClose}
    >
      <dl id="which" className={ui.facts}>
        <Fact name="Session">
          <Id>{name.sessionId}</Id>
        </Fact>
        {actor && (
          <Fact name="Impersonated by">
            <Id>{actor.subject}</Id>
          </Fact>
        )}
        <Fact name="Device">{deviceOf({ session })}</Fact>
        <Fact name="First seen">
          <Moment at={firstSeenTime} inFull />
        </Fact>
      </dl>
      <p>Every token of the session is refused from now on, and its open streams end. {own ? "This window is signed out." : "The user must sign in again."}</p>
    </Confirm>
  );
}

/** How many sessions are ended at a time. A browser has six connections to a server over HTTP/1.1. */
const width = 3;

/** How many sessions are listed in the dialog. */
const listed = 5;

function EndMany({ target, current, onClose }: Props<"sessions">) {
  const { sessions } = useSignedIn();
  const [all] = useState(target.sessions); // those that have ended leave the selection meanwhile
  const [count, setCount] = useState(0);
  const ended = useRef(new Set<Session>());
  const own = all.find(({ session }) => current !== undefined && keyOf(session) === keyOf(current));
  const end = async (session: Session, { cause, requestId, signal }: Press) => {
    const target = { case: "session" as const, value: session.session! };
    await sessions.revokeSession({ target, cause, requestId: `${requestId}-${all.indexOf(session)}` }, { signal });
    setCount(ended.current.add(session).size);
  };
  const run = async (press: Press) => {
    const left = all.filter((session) => !ended.current.has(session));
    await each(
      left.filter((session) => session !== own),
      width,
      (session) => end(session, press),
    );
    if (own !== undefined) {
      await end(own, press); // after it, this window can end no other
    }
  };
  return (
    <Confirm title={`End ${all.length} sessions?`} action={`End ${all.length} sessions`} run={run} onDone={focusHeading} onClose={onClose}>
      <ul id="which" className={ui.violations}>
        {all.slice(0, listed).map((session) => (
          <li key={keyOf(session.session)}>
            <Id>{subjectOf(session.session)}</Id> <span className={ui.quiet}>{deviceOf({ session })}</span>
          </li>
        ))}
        {all.length > listed && <li className={ui.quiet}>and {all.length - listed} more</li>}
      </ul>
      <p>
        Every token of these sessions is refused from now on, and their open streams end. {own && "One is the session of this window, which is signed out."}
      </p>
      <div role="status">
        {count > 0 && (
          <>
            {count} of {all.length} have ended
            <progress max={all.length} value={count} aria-label="Sessions that have ended" />
          </>
        )}
      </div>
    </Confirm>
  );
}

function EndAll({ target: { issuer, subject }, current, onClose }: Props<"subject">) {
  const { sessions } = useSignedIn();
  const own = current?.issuer === issuer && subjectOf(current) === subject;
  return (
    <Confirm
      title={
        <>
          Sign out <Id>{subject}</Id> everywhere?
        </>
      }
      action="Sign out everywhere"
      run={async ({ signal, ...press }) =>
        void (await sessions.revokeSubject({ target: { case: "subject", value: { issuer, subject } }, ...press }, { signal }))
      }
      onDone={focusHeading}
      onClose={onClose}
    >
      <dl id="which" className={ui.facts}>
        <Fact name="Issuer">
          <Id>{issuer}</Id>
        </Fact>
      </dl>
      <p>
        Every session of the user that was seen ends with its open streams, and every token issued until now is refused. New sign-ins are accepted a few seconds
        later. {own && "This window is signed out."}
      </p>
    </Confirm>
  );
}

function focusHeading(): void {
  document.querySelector("h1")?.focus();
}
