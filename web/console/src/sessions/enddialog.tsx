import { create } from "@bufbuild/protobuf";
import { type SessionRef, SessionRefSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { newRequestId } from "../api/requestid";
import { useSignedIn } from "../auth/signedin";
import { Failure } from "../ui/failure";
import { Moment } from "../ui/moment";
import { Fact, Id } from "../ui/names";
import ui from "../ui/ui.module.css";
import { browserOf } from "../ui/useragent";
import { keyOf, subjectOf } from "./names";
import { rowId } from "./table";

export interface EndTarget {
  session: Session;
  /** The session is that of this window. */
  current: boolean;
  /** Ends every session of the subject, and revokes all tokens issued so far. */
  everything: boolean;
}

const cause = "ended in the console";

/** Asks before a session, or everything of its subject, is ended. */
export function EndDialog({ session, current, everything, onClose }: EndTarget & { onClose: () => void }) {
  const { sessions } = useSignedIn();
  const dialog = useRef<HTMLDialogElement>(null);
  const [requestId] = useState(newRequestId); // one for all presses of the button: the server does it once
  useEffect(() => dialog.current?.showModal(), []);
  const name: SessionRef = session.session ?? create(SessionRefSchema);
  const subject = subjectOf(name);
  const end = useMutation({
    mutationFn: async () => {
      if (everything) {
        await sessions.revokeSubject({ target: { case: "subject", value: { issuer: name.issuer, subject } }, cause, requestId });
      } else {
        await sessions.revokeSession({ target: { case: "session", value: name }, cause, requestId });
      }
    },
    onSuccess: () => {
      dialog.current?.close();
      document.getElementById(rowId(keyOf(name)))?.focus(); // the button that had the focus is gone
    },
  });
  const {
    sightings: [seen],
    actor,
    firstSeenTime,
  } = session;
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="confirm" aria-describedby="which">
      <h2 id="confirm">
        {everything ? (
          <>
            Sign out <Id>{subject}</Id> everywhere?
          </>
        ) : current ? (
          "End your own session?"
        ) : (
          <>
            End the session of <Id>{subject}</Id>?
          </>
        )}
      </h2>
      <dl id="which" className={ui.facts}>
        {everything ? (
          <Fact name="Issuer">
            <Id>{name.issuer}</Id>
          </Fact>
        ) : (
          <>
            <Fact name="Session">
              <Id>{name.sessionId}</Id>
            </Fact>
            {actor && (
              <Fact name="Impersonated by">
                <Id>{actor.subject}</Id>
              </Fact>
            )}
            <Fact name="Device">
              {browserOf(seen?.userAgent ?? "")} at {seen?.ipAddress || "an unknown address"}
            </Fact>
            <Fact name="First seen">
              <Moment at={firstSeenTime} inFull />
            </Fact>
          </>
        )}
      </dl>
      <p>
        {everything
          ? "Every session of the user that was seen ends with its open streams, and every token issued until now is refused. New sign-ins are accepted a few seconds later."
          : "Every token of the session is refused from now on, and its open streams end."}{" "}
        {current ? "This window is signed out." : !everything && "The user must sign in again."}
      </p>
      {end.isError && <Failure error={end.error} />}
      <div className={ui.actions}>
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" className={ui.dangerFilled} disabled={end.isPending} onClick={() => end.mutate()}>
          {everything ? "Sign out everywhere" : "End the session"}
        </button>
      </div>
    </dialog>
  );
}
