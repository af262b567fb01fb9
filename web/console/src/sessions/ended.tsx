import type { Revocation, Target } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { IssuerSignOut, type Session, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { ReactNode } from "react";
import { originOf } from "../revocations/origin";
import { Moment } from "../ui/moment";
import { Id } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";

/** When, by whom and why a session has ended, as far as the caller may know; nothing for one that goes on. */
export function Ended({ session }: { session: Session }) {
  switch (session.state) {
    case SessionState.EXPIRED:
      return (
        <p className={ui.quiet}>
          Its latest token expired <Moment at={session.tokenExpireTime} />; a newer one makes it active again.
        </p>
      );
    case SessionState.REVOKED:
      return session.revocation ? <Revoked revocation={session.revocation} issuerSignOut={session.issuerSignOut} /> : null;
    default:
      return null;
  }
}

/** Whether the session has ended at its issuer. Nothing is said of other values, and of those of a later version. */
const atIssuer: Partial<Record<IssuerSignOut, string>> = {
  [IssuerSignOut.NOT_CONFIGURED]: "It goes on at its issuer: the server has no key to end it there.",
  [IssuerSignOut.NOT_REQUESTED]: "Its issuer was not asked to end it: it may go on there.",
  [IssuerSignOut.PENDING]: "It is being ended at its issuer as well.",
  [IssuerSignOut.DONE]: "It has ended at its issuer as well.",
  [IssuerSignOut.REFUSED]: "Its issuer refuses to end it; the server's log says why.",
};

function Revoked({ revocation: { createTime, origin, cause, target }, issuerSignOut }: { revocation: Revocation; issuerSignOut: IssuerSignOut }) {
  const by = originOf(origin);
  return (
    <p className={ui.quiet}>
      Ended <Moment at={createTime} />
      {by && <> by {by}</>}
      {extentOf(target)}
      {cause && (
        <>
          : <bdi>{showHidden(cause)}</bdi>
        </>
      )}
      {atIssuer[issuerSignOut] && (
        <>
          <br />
          {atIssuer[issuerSignOut]}
        </>
      )}
    </p>
  );
}

/** What else a revocation has ended. */
function extentOf(target: Target | undefined): ReactNode {
  switch (target?.target.case) {
    case "subject":
      return ", with every session of its subject";
    case "client":
      return (
        <>
          , with everything of the client <Id>{target.target.value.clientId}</Id>
        </>
      );
    case "organization":
      return (
        <>
          , with everything in the organization <Id>{target.target.value.organizationId}</Id>
        </>
      );
    case "member":
      return (
        <>
          , with everything of its subject in the organization <Id>{target.target.value.organizationId}</Id>
        </>
      );
    case "entireIssuer":
      return ", with everything of its issuer";
    default:
      return undefined;
  }
}
