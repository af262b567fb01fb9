import { ConnectError } from "@connectrpc/connect";
import { create } from "@bufbuild/protobuf";
import { SessionRefSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useEffect, useRef, useState } from "react";
import { Fact, Failure, Id, Moment } from "../parts";
import { newRequestId } from "../requestid";
import { subjectOf } from "../sessionlist";
import { useSignedIn } from "../signedin";
import { browserOf } from "../useragent";

interface Props {
  session: Session;
  /** It is that of the page itself. */
  current: boolean;
  /** Is told whether the session was ended. */
  onClose: (ended: boolean) => void;
}

/** Asks before a session is ended. */
export function Confirm({ session, current, onClose }: Props) {
  const { sessions } = useSignedIn();
  const dialog = useRef<HTMLDialogElement>(null);
  const ended = useRef(false);
  const [requestId] = useState(newRequestId); // however often the button is pressed
  const [error, setError] = useState<ConnectError>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);

  const name = session.session ?? create(SessionRefSchema);
  const end = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await sessions.revokeSession({ target: { case: "session", value: name }, cause: "ended in the console", requestId });
      ended.current = true;
      dialog.current?.close();
    } catch (thrown) {
      setError(ConnectError.from(thrown));
      setBusy(false);
    }
  };

  const { sightings: [seen], actor, firstSeenTime } = session;
  return (
    <dialog ref={dialog} onClose={() => onClose(ended.current)} aria-labelledby="confirm" aria-describedby="which">
      <h2 id="confirm">End {current ? "your own session" : <>the session of <Id>{subjectOf(name)}</Id></>}?</h2>
      <dl id="which" className="facts">
        <Fact name="Session"><Id>{name.sessionId}</Id></Fact>
        {actor && <Fact name="Impersonated by"><Id>{actor.subject}</Id></Fact>}
        <Fact name="Browser">{browserOf(seen?.userAgent ?? "")} at {seen?.ipAddress || "an unknown address"}</Fact>
        <Fact name="First seen"><Moment at={firstSeenTime} inFull /></Fact>
      </dl>
      <p>
        Every token of the session is refused from now on, and its open streams end.{" "}
        {current ? "This window is signed out." : "Whoever uses it must sign in again."}
      </p>
      {error && <Failure error={error} />}
      <div className="actions">
        <button type="button" onClick={() => dialog.current?.close()}>Keep it</button>
        <button type="button" className="danger" disabled={busy} onClick={() => void end()}>End the session</button>
      </div>
    </dialog>
  );
}
