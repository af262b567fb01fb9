import { useQuery } from "@connectrpc/connect-query";
import { resumable } from "@ostiary/client";
import { type Session, SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useEffect, useRef, useState } from "react";
import { useVisible } from "../browser";
import { paced } from "../paced";
import { Badge, Failure, Head, Id, Loading, Moment } from "../parts";
import { useSignedIn } from "../signedin";
import { plain } from "../text";
import { browserOf } from "../useragent";
import { Confirm } from "./confirm";

/** The fewest milliseconds between two lists that are asked for, whatever happens. */
const pace = 500;

/** The sessions that the caller may see, as they come and go. */
export function Sessions() {
  const { sessions } = useSignedIn();
  const list = useQuery(SessionService.method.listSessions, { pageSize: 200 });
  const { refetch } = list;
  const [live, setLive] = useState(false);
  const visible = useVisible();

  useEffect(() => {
    if (!visible) {
      return undefined;
    }
    const stop = new AbortController();
    const refresh = paced(async () => stop.signal.aborted || refetch(), pace);
    (async () => {
      const watch = resumable((call) => sessions.watchSessions({}, call), {
        signal: stop.signal,
        onState: ({ state }) => setLive(state === "open"),
      });
      // The first message says that nothing will be missed from now on.
      for await (const _ of watch) {
        refresh();
      }
    })().catch(() => setLive(false)); // the reason is the same for the stream that the whole page lives by
    return () => stop.abort();
  }, [sessions, refetch, visible]);

  return (
    <>
      <Head title="Sessions">
        <p className="quiet">Yours, and where you are an administrator, your organization's.</p>
        <p role="status">{live ? <Badge tone="good">live</Badge> : <Badge tone="quiet">not live</Badge>}</p>
      </Head>
      {list.isPending ? <Loading /> : list.isError ? <Failure error={list.error} retry={() => void refetch()} /> : list.data.sessions.length === 0 ? (
        <p className="empty">No session has been seen. Machines have none: sign in as a user in another window, and it appears here.</p>
      ) : (
        <ul className="cards rows" aria-label="Sessions">
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
  const { current, revoked } = session;
  const [subject, id] = [plain(session.subject), plain(session.sessionId)];
  return (
    <li ref={item} tabIndex={-1} className={revoked ? "card ended" : "card"} aria-label={`${subject}, ${id}${revoked ? ", ended" : ""}`}>
      <div className="card-main">
        <h2>
          <bdi>{subject}</bdi> {current && <Badge tone="good">this window</Badge>} {revoked && <Badge tone="bad">ended</Badge>}
        </h2>
        <p className="quiet">
          {browserOf(session.userAgent)} at {session.address || "an unknown address"}
          {session.organizationId && <>, in <Id>{session.organizationId}</Id></>}
        </p>
        <p className="quiet">
          First seen <Moment at={session.firstSeenAt} />, last <Moment at={session.lastSeenAt} />
        </p>
        <code className="id">{id}</code>
      </div>
      {!revoked && (
        <button type="button" className="danger" onClick={() => setEnding(true)} aria-label={`End the session of ${subject}, ${id}`}>
          End
        </button>
      )}
      {ending && <Confirm session={session} onClose={close} />}
    </li>
  );
}
