import type { ConnectError } from "@connectrpc/connect";
import { type Decision, DecisionOutcome, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { skipToken, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { clockAhead } from "../api/clock";
import { priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { type Kept, matching, nothingKept, withDecisions } from "./kept";

const outcomes = { admitted: DecisionOutcome.ADMITTED, refused: DecisionOutcome.REFUSED, ended: DecisionOutcome.ENDED };

/** Which decisions to watch: the search parameters of the page. */
export interface Filter {
  outcome?: keyof typeof outcomes | undefined;
  reason?: string | undefined;
  subject?: string | undefined;
  procedure?: string | undefined;
  service?: string | undefined;
}

/** What a decision that matches has. */
function wantedOf({ outcome, reason, subject, procedure, service }: Filter): [name: keyof Decision, value: unknown][] {
  const wanted = { outcome: outcome && outcomes[outcome], reason, subject, procedure, service };
  return (Object.entries(wanted) as [keyof typeof wanted, unknown][]).filter(([, value]) => value !== undefined);
}

/** The time by the server's clock, which says when it was decided. */
function now(): number {
  return Date.now() + clockAhead();
}

/** Watches the decisions that match a filter. What came is kept while the window is open, for an hour. A filter begins with what has come without one. */
export function useDecisions(filter: Filter) {
  const { decisions, queries } = useSignedIn();
  const { identity } = useWatched();
  const wanted = wantedOf(filter);
  const name = JSON.stringify(wanted);
  const queryKey = ["decisions", name];
  const { data: kept = nothingKept } = useQuery({
    queryKey,
    queryFn: skipToken,
    initialData: () => {
      const all = queries.getQueryData<Kept>(["decisions", "[]"]) ?? nothingKept;
      return matching(all, (decision) => wanted.every(([name, value]) => decision[name] === value), now());
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 3_600_000,
  });
  const [failed, setFailed] = useState<{ name: string; error: ConnectError }>();
  const error = failed?.name === name ? failed.error : undefined;
  const status = useStream({
    name: `WatchDecisions ${name}`,
    schema: WatchDecisionsResponseSchema,
    priority: priorities.page,
    enabled: identity !== undefined && error === undefined,
    open: (call) => decisions.watchDecisions({ filter: Object.fromEntries(wanted) }, call),
    onMessage: (message) => void queries.setQueryData<Kept>(queryKey, (before = nothingKept) => withDecisions(before, message, now())),
    onEnd: (error) => setFailed({ name, error }),
  });
  return {
    /** Names the filter. */
    name,
    filtered: wanted.length > 0,
    kept,
    status,
    error,
    retry: () => setFailed(undefined),
  };
}
