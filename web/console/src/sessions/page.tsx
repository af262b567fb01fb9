import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { countOf } from "../api/pages";
import { sessionStates } from "../app/router";
import { Chip } from "../ui/chip";
import { Failure, Loading } from "../ui/failure";
import { Fresh } from "../ui/fresh";
import { Head } from "../ui/head";
import { LiveBadge } from "../ui/live";
import { SearchField } from "../ui/search";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { EndDialog, type EndTarget } from "./enddialog";
import { Export } from "./export";
import { isFiltered, type Order, orderOf } from "./filter";
import { canEnd, type Group } from "./lines";
import { useSessions } from "./list";
import { subjectOf } from "./names";
import { SessionPanel } from "./panel";
import { useMayEndAll } from "./permitted";
import { type Selection, useSelection } from "./selection";
import styles from "./sessions.module.css";
import { Signals } from "./signals";
import { SessionTable } from "./table";

const route = getRouteApi("/sessions");

/** The sessions that the caller may see: a table that is followed live, and a panel with the details of one. */
export function Sessions() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { list, status, error, retry, current, currentKey, rows, total, totalIsMinimum, fresh, showFresh } = useSessions(search);
  const selection = useSelection(rows);
  const mayEndAll = useMayEndAll();
  const [ending, setEnding] = useState<EndTarget>();
  const grouped = search.group !== undefined;
  const opened = rows.find(({ key }) => key === search.selected);
  const open = (key: string | undefined) => void navigate({ search: { ...search, selected: key }, replace: search.selected !== undefined });
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, selected: undefined, ...part }, replace: true });
  const ofOpened = opened && { issuer: opened.session.session?.issuer ?? "", subject: subjectOf(opened.session.session) };
  const endAll = ({ issuer, subject, rows: ofGroup }: Group) => {
    const sessions = ofGroup.filter(canEnd).map(({ session }) => session);
    setEnding(mayEndAll({ issuer, subject }) ? { kind: "subject", issuer, subject } : { kind: "sessions", sessions });
  };

  return (
    <div className={split.page}>
      <Head title="Sessions">
        <LiveBadge status={status} />
        {list.data && (
          <span className={ui.quiet} role="status">
            {list.isPlaceholderData ? "Searching…" : countOf(total, totalIsMinimum, "session", "sessions")}
          </span>
        )}
      </Head>
      <div className={split.filters} role="search">
        <SearchField
          label="Search by subject, session id or organization"
          placeholder="Subject, session or organization"
          value={search.q ?? ""}
          onSearch={(text) => filter({ q: text || undefined })}
        />
        <div className={ui.choice} role="group" aria-label="State">
          {([undefined, ...sessionStates] as const).map((state) => (
            <button key={state ?? "all"} type="button" aria-pressed={search.state === state} onClick={() => filter({ state })}>
              {state === undefined ? "All" : state.charAt(0).toUpperCase() + state.slice(1)}
            </button>
          ))}
        </div>
        <select
          aria-label="Order"
          value={orderOf(search) ?? ""}
          disabled={grouped}
          onChange={(event) => filter({ order: (event.target.value as Order) || undefined })}
        >
          <option value="">Newest first</option>
          <option value="oldest">Oldest first</option>
          <option value="last-seen">Last seen first</option>
          {grouped && <option value="subject">By user</option>}
        </select>
        <Chip name="Subject" value={search.subject} onRemove={() => filter({ subject: undefined, issuer: undefined })} />
        <Chip name="Organization" value={search.organization} onRemove={() => filter({ organization: undefined })} />
        <Chip name="Service" value={search.service} onRemove={() => filter({ service: undefined })} />
        <div className={split.tools}>
          <button type="button" aria-pressed={grouped} onClick={() => filter({ group: grouped ? undefined : "subject" })}>
            Group by user
          </button>
          <Export filter={search} />
        </div>
      </div>
      {error && <Failure error={error} retry={retry} />}
      <Fresh count={fresh.count} more={fresh.more} onShow={showFresh} />
      {list.data === undefined ? (
        !error && <Loading />
      ) : rows.length === 0 && !list.hasNextPage ? (
        <p className={ui.empty}>
          {isFiltered(search)
            ? `No session matches.${search.q ? " A search finds what a subject, a session or an organization begins with, in the same upper and lower case." : ""}`
            : "No session was seen yet. Machines have none: sign in as a user in another window, and the session appears here."}
        </p>
      ) : (
        <div className={split.columns}>
          <SessionTable
            rows={rows}
            grouped={grouped}
            selection={selection}
            currentKey={currentKey}
            open={search.selected}
            onOpen={open}
            onEnd={(session) => setEnding({ kind: "session", session })}
            onEndAll={endAll}
            list={list}
          />
          {opened && (
            <SessionPanel
              session={opened.session}
              current={opened.key === currentKey}
              onEnd={() => setEnding({ kind: "session", session: opened.session })}
              onEndAll={ofOpened && mayEndAll(ofOpened) ? () => setEnding({ kind: "subject", ...ofOpened }) : undefined}
              onClose={() => open(undefined)}
            />
          )}
          <Selected selection={selection} onEnd={() => setEnding(several(selection))} />
        </div>
      )}
      <Signals />
      {ending && <EndDialog target={ending} current={current} onClose={() => setEnding(undefined)} />}
    </div>
  );
}

/** What can be done with the sessions that are selected. */
function Selected({ selection: { rows, clear }, onEnd }: { selection: Selection; onEnd: () => void }) {
  return (
    rows.length > 0 && (
      <div className={styles.selected} role="group" aria-label="Selected sessions">
        <span role="status">{rows.length} selected</span>
        <button type="button" className={ui.dangerFilled} onClick={onEnd}>
          {rows.length === 1 ? "End 1 session" : `End ${rows.length} sessions`}
        </button>
        <button type="button" className={ui.ghost} onClick={clear}>
          Clear
        </button>
      </div>
    )
  );
}

function several({ rows }: Selection): EndTarget {
  const [only, ...others] = rows.map(({ session }) => session);
  return only !== undefined && others.length === 0 ? { kind: "session", session: only } : { kind: "sessions", sessions: rows.map(({ session }) => session) };
}
