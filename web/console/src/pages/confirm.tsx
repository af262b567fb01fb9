import { ConnectError } from "@connectrpc/connect";
import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useEffect, useRef, useState } from "react";
import { Fact, Failure, Id, Moment } from "../parts";
import { useSignedIn } from "../signedin";
import { browserOf } from "../useragent";

/** Asks before a session is ended. onClose is told whether it was. */
export function Confirm({ session, onClose }: { session: Session; onClose: (ended: boolean) => void }) {
  const { sessions } = useSignedIn();
  const dialog = useRef<HTMLDialogElement>(null);
  const ended = useRef(false);
  const [error, setError] = useState<ConnectError>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);

  const end = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await sessions.revokeSession({ issuer: session.issuer, sessionId: session.sessionId, cause: "ended in the console" });
      ended.current = true;
      dialog.current?.close();
    } catch (thrown) {
      setError(ConnectError.from(thrown));
      setBusy(false);
    }
  };

  return (
    <dialog ref={dialog} onClose={() => onClose(ended.current)} aria-labelledby="confirm" aria-describedby="which">
      <h2 id="confirm">End {session.current ? "your own session" : <>the session of <Id>{session.subject}</Id></>}?</h2>
      <dl id="which" className="facts">
        <Fact name="Session"><Id>{session.sessionId}</Id></Fact>
        <Fact name="Browser">{browserOf(session.userAgent)} at {session.address || "an unknown address"}</Fact>
        <Fact name="First seen"><Moment at={session.firstSeenAt} inFull /></Fact>
      </dl>
      <p>
        Every token of the session is refused from now on, and its open streams end.{" "}
        {session.current ? "This window is signed out." : "Whoever uses it must sign in again."}
      </p>
      {error && <Failure error={error} />}
      <div className="actions">
        <button type="button" onClick={() => dialog.current?.close()}>Keep it</button>
        <button type="button" className="danger" disabled={busy} onClick={() => void end()}>End the session</button>
      </div>
    </dialog>
  );
}
