import { ConnectError } from "@connectrpc/connect";
import { type Session, type Sighting, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useEffect, useRef, useState } from "react";
import { useVisible } from "../browser";
import { Badge, Failure, Head, Id, Loading, Moment } from "../parts";
import { followSessions, keyOf, type SessionList, subjectOf } from "../sessionlist";
import { useSignedIn } from "../signedin";
import { plain } from "../text";
import { browserOf } from "../useragent";
import { Confirm } from "./confirm";
import { Signals } from "./signals";
import { End, StateBadge, stateOf } from "./sessionstate";

/** The sessions that the caller may see, as they come and go. */
export function Sessions() {
  const { list, live, error, retry } = useSessions();
  const current = list?.current && keyOf(list.current);
  return (
    <>
      <Head title="Sessions">
        <p className="quiet">Yours, and where you are an administrator, your organization's.</p>
        <p role="status">{live ? <Badge tone="good">live</Badge> : <Badge tone="quiet">not live</Badge>}</p>
      </Head>
      {error && <Failure error={error} retry={retry} />}
      {list === undefined ? !error && <Loading /> : list.sessions.length === 0 ? (
        <p className="empty">No session has been seen. Machines have none: sign in as a user in another window, and it appears here.</p>
      ) : (
        <ul className="cards rows" aria-label="Sessions">
          {list.sessions.map((session) => (
            <Row key={keyOf(session.session)} session={session} current={keyOf(session.session) === current} />
          ))}
        </ul>
      )}
      {list?.more && <p className="quiet">These are the latest {list.sessions.length}. The command <code>ostiary session list</code> has all of them.</p>}
      <Signals />
    </>
  );
}

/** Follows the sessions for as long as the page is seen. */
function useSessions() {
  const { sessions } = useSignedIn();
  const visible = useVisible();
  const [list, setList] = useState<SessionList>();
  const [live, setLive] = useState(false);
  const [error, setError] = useState<ConnectError>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (!visible) {
      return undefined;
    }
    const stop = new AbortController();
    setError(undefined);
    followSessions(sessions, setList, { signal: stop.signal, onState: ({ state }) => setLive(state === "open") })
      .catch((thrown: unknown) => stop.signal.aborted || setError(ConnectError.from(thrown)))
      .finally(() => stop.signal.aborted || setLive(false));
    return () => {
      stop.abort();
      setLive(false);
    };
  }, [sessions, visible, tries]);
  return { list, live, error, retry: () => setTries(tries + 1) };
}

function Row({ session, current }: { session: Session; current: boolean }) {
  const item = useRef<HTMLLIElement>(null);
  const [ending, setEnding] = useState(false);
  const close = (ended: boolean) => {
    setEnding(false);
    if (ended) {
      item.current?.focus(); // the button that had the focus goes with the session
    }
  };
  const revoked = session.state === SessionState.REVOKED;
  const [subject, id] = [plain(subjectOf(session.session)), plain(session.session?.sessionId ?? "")];
  return (
    <li ref={item} tabIndex={-1} className={revoked ? "card ended" : "card"} aria-label={`${subject}, ${id}, ${stateOf(session).name}`}>
      <div className="card-main">
        <h2>
          <bdi>{subject}</bdi> <StateBadge session={session} /> {current && <Badge>this window</Badge>}
        </h2>
        {session.actor && <p className="impersonated">Impersonated by <Id>{session.actor.subject}</Id></p>}
        {session.sightings.map((sighting) => <Seen key={sighting.service} sighting={sighting} />)}
        <p className="quiet">
          First seen <Moment at={session.firstSeenTime} />, last <Moment at={session.lastSeenTime} />
          {session.organizationId && <>, in <Id>{session.organizationId}</Id></>}
        </p>
        <End session={session} />
        <code className="id">{id}</code>
      </div>
      {!revoked && (
        <button type="button" className="danger" onClick={() => setEnding(true)} aria-label={`End the session of ${subject}, ${id}`}>
          End
        </button>
      )}
      {ending && <Confirm session={session} current={current} onClose={close} />}
    </li>
  );
}

/** Where one service has seen a session. */
function Seen({ sighting: { service, userAgent, ipAddress } }: { sighting: Sighting }) {
  return (
    <p className="quiet">
      {browserOf(userAgent)} at {ipAddress || "an unknown address"}
      {service && <>, by <Id>{service}</Id></>}
    </p>
  );
}
