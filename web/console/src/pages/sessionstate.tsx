import type { Caller, Origin, Revocation, Target } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { IssuerSignOut, type Session, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { ReactNode } from "react";
import { Badge, Id, Moment } from "../parts";
import { plain } from "../text";

const states = {
  [SessionState.UNSPECIFIED]: { name: "unknown", tone: "quiet" },
  [SessionState.ACTIVE]: { name: "active", tone: "good" },
  [SessionState.EXPIRED]: { name: "expired", tone: "quiet" },
  [SessionState.REVOKED]: { name: "revoked", tone: "bad" },
} as const;

/** Whether a session goes on, in a word. A state of a later version is not known. */
export function stateOf({ state }: Session): (typeof states)[SessionState] {
  return states[state] ?? states[SessionState.UNSPECIFIED];
}

export function StateBadge({ session }: { session: Session }) {
  const { name, tone } = stateOf(session);
  return <Badge tone={tone}>{name}</Badge>;
}

/** When a session has ended, by what and why, as far as the caller may know; nothing for one that goes on. */
export function End({ session }: { session: Session }) {
  switch (session.state) {
    case SessionState.EXPIRED:
      return <p className="quiet">Its latest token expired <Moment at={session.tokenExpireTime} />; a newer one makes it active again.</p>;
    case SessionState.REVOKED:
      return session.revocation ? <Revoked revocation={session.revocation} issuerSignOut={session.issuerSignOut} /> : null;
    default:
      return null;
  }
}

/** What the issuer knows of a session's end. Of other values, and those of a later version, nothing is said. */
const atIssuer: Partial<Record<IssuerSignOut, string>> = {
  [IssuerSignOut.NOT_CONFIGURED]: "Its issuer still believes in it: the server has no key to end it there.",
  [IssuerSignOut.NOT_REQUESTED]: "Its issuer was not asked to end it, and may still believe in it.",
  [IssuerSignOut.PENDING]: "It is being ended at its issuer, too.",
  [IssuerSignOut.DONE]: "It has ended at its issuer, too.",
  [IssuerSignOut.REFUSED]: "Its issuer refuses to end it; the server's log says why.",
};

function Revoked({ revocation: { createTime, origin, cause, target }, issuerSignOut }: { revocation: Revocation; issuerSignOut: IssuerSignOut }) {
  const by = makerOf(origin);
  return (
    <p className="quiet">
      Revoked <Moment at={createTime} />{by && <> by {by}</>}{extentOf(target)}{cause && <>: <bdi>{plain(cause)}</bdi></>}
      {atIssuer[issuerSignOut] && <><br />{atIssuer[issuerSignOut]}</>}
    </p>
  );
}

/** What made a revocation; undefined where that is not said, or not known to this version. */
function makerOf(origin: Origin | undefined): ReactNode {
  const made = origin?.origin;
  switch (made?.case) {
    case "caller":
      return <Who caller={made.value} />;
    case "signal":
      return <>a message of <Id>{made.value.source}</Id></>;
    case "bulkImport":
      return made.value.caller ? <>an import of <Who caller={made.value.caller} /></> : "an import";
    case "system":
      return "the server";
    default:
      return undefined;
  }
}

function Who({ caller: { subject, actor } }: { caller: Caller }) {
  return actor ? <><Id>{actor.subject}</Id> acting as <Id>{subject}</Id></> : <Id>{subject}</Id>;
}

/** What else a revocation has ended. */
function extentOf(target: Target | undefined): ReactNode {
  switch (target?.target.case) {
    case "subject":
      return ", with every session of its subject";
    case "client":
      return <>, with everything of the client <Id>{target.target.value.clientId}</Id></>;
    case "organization":
      return <>, with everything in the organization <Id>{target.target.value.organizationId}</Id></>;
    case "member":
      return <>, with everything of its subject in the organization <Id>{target.target.value.organizationId}</Id></>;
    case "entireIssuer":
      return ", with everything of its issuer";
    default:
      return undefined;
  }
}
