import { useQuery } from "@connectrpc/connect-query";
import { ConnectError } from "@connectrpc/connect";
import { resumable } from "@ostiary/client";
import { type Session, SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useEffect, useRef, useState } from "react";
import { Badge, Failure, Head, Loading, Moment } from "../parts";
import { useSignedIn } from "../signedin";

/** The sessions that the caller may see, as they come and go. */
export function Sessions() {
  const { sessions } = useSignedIn();
  const list = useQuery(SessionService.method.listSessions, { pageSize: 200 });
  const { refetch } = list;
  const [live, setLive] = useState(false);

  useEffect(() => {
    const stop = new AbortController();
    (async () => {
      const watch = resumable((call) => sessions.watchSessions({}, call), {
        signal: stop.signal,
        onState: ({ state }) => setLive(state === "open"),
      });
      // The first message says that nothing will be missed from now on.
      for await (const _ of watch) {
        void refetch();
      }
    })().catch(() => setLive(false)); // the reason is the same for the stream that the whole page lives by
    return () => stop.abort();
  }, [sessions, refetch]);

  return (
    <>
      <Head title="Sessions">
        <p className="quiet">Yours, and where you are an administrator, your organization's.</p>
        <p role="status">{live ? <Badge tone="good">live</Badge> : <Badge tone="quiet">not live</Badge>}</p>
      </Head>
      {list.isPending ? <Loading /> : list.isError ? <Failure error={list.error} retry={() => void refetch()} /> : list.data.sessions.length === 0 ? (
        <p className="empty">No session has been seen. Machines have none: sign in as a user in another window, and it appears here.</p>
      ) : (
        <ul className="cards" aria-label="Sessions">
          {list.data.sessions.map((session) => (
            <Row key={`${session.issuer} ${session.sessionId}`} session={session} />
          ))}
        </ul>
      )}
      {list.data?.nextPageToken && <p className="quiet">These are the latest {list.data.sessions.length}. The command <code>ostiary session list</code> has all of them.</p>}
    </>
  );
}

function Row({ session }: { session: Session }) {
  const item = useRef<HTMLLIElement>(null);
  const [ending, setEnding] = useState(false);
  const close = (ended: boolean) => {
    setEnding(false);
    if (ended) {
      item.current?.focus(); // the button that had the focus goes with the session
    }
  };
  const { subject, sessionId, current, revoked } = session;
  return (
    <li ref={item} tabIndex={-1} className={revoked ? "card ended" : "card"} aria-label={`${subject}, ${sessionId}${revoked ? ", ended" : ""}`}>
      <div className="card-main">
        <h2>
          {subject} {current && <Badge tone="good">this window</Badge>} {revoked && <Badge tone="bad">ended</Badge>}
        </h2>
        <p className="quiet">
          {browserOf(session.userAgent)} at {session.address || "an unknown address"}
          {session.organizationId && <>, in <code>{session.organizationId}</code></>}
        </p>
        <p className="quiet">
          first seen <Moment at={session.firstSeenAt} />, last <Moment at={session.lastSeenAt} />
        </p>
        <code className="id">{sessionId}</code>
      </div>
      {!revoked && (
        <button type="button" className="danger" onClick={() => setEnding(true)} aria-label={`End the session of ${subject}`}>
          End
        </button>
      )}
      {ending && <Confirm session={session} onClose={close} />}
    </li>
  );
}

/** Asks before a session is ended. onClose is told whether it was. */
function Confirm({ session, onClose }: { session: Session; onClose: (ended: boolean) => void }) {
  const { sessions } = useSignedIn();
  const dialog = useRef<HTMLDialogElement>(null);
  const ended = useRef(false);
  const [error, setError] = useState<ConnectError>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);

  const end = async () => {
    setBusy(true);
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
    <dialog ref={dialog} onClose={() => onClose(ended.current)} aria-labelledby="confirm">
      <h2 id="confirm">End {session.current ? "your own session" : `the session of ${session.subject}`}?</h2>
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

/** What a User-Agent header says in a word or two, as far as it can be told. */
function browserOf(userAgent: string): string {
  const product = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(userAgent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1];
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera" };
  return product === undefined ? userAgent || "Something" : `${names[product] ?? product}${system ? ` on ${system}` : ""}`;
}
