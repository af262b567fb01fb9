import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { sessionStates } from "../app/router";
import { Chip } from "../ui/chip";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { LiveBadge } from "../ui/live";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { EndDialog, type EndTarget } from "./enddialog";
import { useSessions } from "./list";
import { keyOf } from "./names";
import { SessionPanel } from "./panel";
import styles from "./sessions.module.css";
import { Signals } from "./signals";
import { SessionTable } from "./table";

const route = getRouteApi("/sessions");

/** The sessions that the caller may see: a table that is followed live, and a panel with the details of one. */
export function Sessions() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { list, status, error, retry, currentKey, rows, loaded, fresh, showFresh } = useSessions(search);
  const [ending, setEnding] = useState<EndTarget>();
  const selected = rows.find(({ key }) => key === search.selected);
  const select = (key: string | undefined) => void navigate({ search: { ...search, selected: key }, replace: search.selected !== undefined });
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, selected: undefined, ...part }, replace: true });
  const filtered = (["q", "state", "issuer", "subject", "organization"] as const).some((name) => search[name] !== undefined);

  return (
    <div className={split.page}>
      <Head title="Sessions">
        <LiveBadge status={status} />
        {list.data && (
          <span className={ui.quiet} role="status">
            {count(rows.length, loaded, list.hasNextPage)}
          </span>
        )}
      </Head>
      <div className={split.filters} role="search">
        <input
          type="search"
          aria-label="Search by subject or session id"
          placeholder="Subject or session id"
          spellCheck={false}
          value={search.q ?? ""}
          onChange={(event) => filter({ q: event.target.value || undefined })}
        />
        <div className={ui.choice} role="group" aria-label="State">
          {([undefined, ...sessionStates] as const).map((state) => (
            <button key={state ?? "all"} type="button" aria-pressed={search.state === state} onClick={() => filter({ state })}>
              {state === undefined ? "All" : state.charAt(0).toUpperCase() + state.slice(1)}
            </button>
          ))}
        </div>
        <Chip name="Subject" value={search.subject} onRemove={() => filter({ subject: undefined, issuer: undefined })} />
        <Chip name="Organization" value={search.organization} onRemove={() => filter({ organization: undefined })} />
      </div>
      {error && <Failure error={error} retry={retry} />}
      <div role="status" className={fresh.length === 0 ? ui.unseen : styles.fresh}>
        {fresh.length > 0 && (
          <button type="button" onClick={showFresh}>
            {fresh.length} new
          </button>
        )}
      </div>
      {list.data === undefined ? (
        !error && <Loading />
      ) : rows.length === 0 && !list.hasNextPage ? (
        <p className={ui.empty}>
          {filtered ? "No session matches." : "No session was seen yet. Machines have none: sign in as a user in another window, and the session appears here."}
        </p>
      ) : (
        <div className={split.columns}>
          <SessionTable
            rows={rows}
            currentKey={currentKey}
            selected={search.selected}
            onSelect={select}
            onEnd={(session) => setEnding({ session, current: keyOf(session.session) === currentKey, everything: false })}
            more={list.hasNextPage && !list.isFetching ? () => void list.fetchNextPage() : undefined}
          />
          {selected && (
            <SessionPanel
              session={selected.session}
              current={selected.key === currentKey}
              onEnd={(everything) => setEnding({ session: selected.session, current: selected.key === currentKey, everything })}
              onClose={() => select(undefined)}
            />
          )}
        </div>
      )}
      <Signals />
      {ending && <EndDialog {...ending} onClose={() => setEnding(undefined)} />}
    </div>
  );
}

function count(shown: number, loaded: number, more: boolean): string {
  const total = more ? `the latest ${loaded}` : `${loaded}`;
  return shown === loaded && !more ? `${loaded} ${loaded === 1 ? "session" : "sessions"}` : shown === loaded ? `${total} sessions` : `${shown} of ${total}`;
}
