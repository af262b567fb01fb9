import type { Decision } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { getRouteApi, useLocation } from "@tanstack/react-router";
import { useState } from "react";
import { decisionOutcomes } from "../app/router";
import { Chip } from "../ui/chip";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { LiveBadge } from "../ui/live";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { Counts } from "./counts";
import styles from "./decisions.module.css";
import { type Kept, most } from "./kept";
import { fromFragment, toFragment } from "./link";
import { DecisionPanel } from "./panel";
import { Reach } from "./reach";
import { reasons } from "./reasons";
import { Search, searchedBy } from "./search";
import { DecisionTable } from "./table";
import { useDecisions } from "./watch";

const route = getRouteApi("/decisions");

/** What was decided about calls, live, for operators. */
export function Decisions() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { hash } = useLocation();
  const { name, filtered, kept, status, error, retry } = useDecisions(search);
  const [paused, setPaused] = useHeld(name);
  const [pointed, setPointed] = useHeld(name);
  const [focused, setFocused] = useHeld(name);
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, ...part }, hash: "", replace: true });
  const shown = paused ?? focused ?? pointed ?? kept;
  const held = kept.received - shown.received;
  // Before the first rows there is nothing to hold: they come while the pointer may rest where they will be.
  const hold = () => pointed === undefined && kept.decisions.length > 0 && setPointed(kept);
  const selected = fromFragment(hash);
  const searched = searchedBy(search);
  const select = (decision: Decision | undefined) =>
    void navigate({ search, hash: decision === undefined ? "" : toFragment(decision), replace: selected !== undefined });

  return (
    <div className={split.page}>
      <Head title="Decisions">
        <LiveBadge status={status} />
        <span className={ui.quiet}>
          {kept.decisions.length === most ? `the latest ${most}` : kept.decisions.length}
          {kept.missed > 0n && `, and ${kept.missed} that came too fast to be sent`}
          {kept.until !== undefined && kept.decisions.length > 0 && (
            <>
              , <Reach kept={kept} />
            </>
          )}
        </span>
      </Head>
      <div className={split.filters} role="search">
        <div className={ui.choice} role="group" aria-label="Outcome">
          {([undefined, ...decisionOutcomes] as const).map((outcome) => (
            <button key={outcome ?? "all"} type="button" aria-pressed={search.outcome === outcome} onClick={() => filter({ outcome })}>
              {outcome === undefined ? "All" : outcome.charAt(0).toUpperCase() + outcome.slice(1)}
            </button>
          ))}
        </div>
        <select aria-label="Reason" value={search.reason ?? ""} onChange={(event) => filter({ reason: event.target.value || undefined })}>
          <option value="">Any reason</option>
          {reasons.map((reason) => (
            <option key={reason}>{reason}</option>
          ))}
        </select>
        <Search filter={search} onSearch={filter} />
        <Chip name="Request id" value={searched === "request" ? undefined : search.request} onRemove={() => filter({ request: undefined })} />
        <Chip name="Trace id" value={searched === "trace" ? undefined : search.trace} onRemove={() => filter({ trace: undefined })} />
        <Chip name="Method" value={search.procedure} onRemove={() => filter({ procedure: undefined })} />
        <Chip name="Service" value={search.service} onRemove={() => filter({ service: undefined })} />
        <button type="button" aria-pressed={paused !== undefined} onClick={() => setPaused(paused === undefined ? shown : undefined)}>
          {paused === undefined ? "Pause" : "Go on"}
        </button>
        {held > 0 && <span className={ui.quiet}>{held} new</span>}
      </div>
      {error && <Failure error={error} retry={retry} />}
      <Counts
        kept={kept}
        onReason={(kind) => filter(kind === "admitted" ? { outcome: "admitted", reason: undefined } : { outcome: undefined, reason: kind })}
      />
      {/* Rows stay where they are while the pointer is over them, or the keyboard in them or in the details of one. */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: nothing is done here but to hold the rows */}
      <div
        className={split.columns}
        onPointerEnter={hold}
        onPointerMove={hold}
        onPointerLeave={() => setPointed(undefined)}
        onFocus={({ target }) => target.closest("table") !== null && target.matches(":focus-visible") && setFocused(shown)}
        onBlur={({ currentTarget, relatedTarget }) => !currentTarget.contains(relatedTarget) && setFocused(undefined)}
      >
        {shown.decisions.length === 0 && selected === undefined ? (
          !error && <Nothing kept={shown} filtered={filtered} byId={search.request !== undefined || search.trace !== undefined} />
        ) : (
          <DecisionTable key={name} kept={shown} selected={hash} onSelect={select} />
        )}
        {selected && (
          <DecisionPanel decision={selected} known={kept.decisions.some((decision) => toFragment(decision) === hash)} onClose={() => select(undefined)} />
        )}
      </div>
    </div>
  );
}

/** Why the table is empty. */
function Nothing({ kept, filtered, byId }: { kept: Kept; filtered: boolean; byId: boolean }) {
  if (kept.until === undefined) {
    return <Loading />;
  }
  return (
    <div className={`${ui.empty} ${styles.nothing}`} role="status">
      <p>
        {filtered ? "No decision matches" : "Nothing was decided yet"}. The server has <Reach kept={kept} />. What it decides from now on is shown here.
      </p>
      {byId && (
        <p>
          Ask the server that took the call. Of the refusals of strangers that are alike, only ten within ten seconds have their ids. The server’s log may have
          more.
        </p>
      )}
    </div>
  );
}

/** What is shown in place of what comes; undefined where nothing is held, or under another filter. */
function useHeld(name: string) {
  const [held, setHeld] = useState<{ name: string; kept: Kept }>();
  return [held?.name === name ? held.kept : undefined, (kept: Kept | undefined) => setHeld(kept && { name, kept })] as const;
}
