import type { ConnectError } from "@connectrpc/connect";
import { DecisionOutcome, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { skipToken, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { clockAhead } from "../api/clock";
import { priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { type Kept, most, nothingKept, toMessage, withMessage } from "./kept";

const outcomes = { admitted: DecisionOutcome.ADMITTED, refused: DecisionOutcome.REFUSED, ended: DecisionOutcome.ENDED };

/** Which decisions to watch: the search parameters of the page. */
export interface Filter {
  outcome?: keyof typeof outcomes | undefined;
  reason?: string | undefined;
  subject?: string | undefined;
  /** The id of the call. */
  request?: string | undefined;
  trace?: string | undefined;
  procedure?: string | undefined;
  service?: string | undefined;
}

/** The filter as the server has it. */
function wantedOf({ outcome, reason, subject, request, trace, procedure, service }: Filter): object {
  const wanted = { outcome: outcome && outcomes[outcome], reason, subject, requestId: request, traceId: trace, procedure, service };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

/** The time by the server's clock, which says when it was decided. */
function now(): number {
  return Date.now() + clockAhead();
}

/** Watches the decisions that match a filter, from the latest on that the server has. What came is kept while the window is open, for an hour. */
export function useDecisions(filter: Filter) {
  const { decisions, queries } = useSignedIn();
  const { identity } = useWatched();
  const wanted = wantedOf(filter);
  const name = JSON.stringify(wanted);
  const queryKey = ["decisions", name];
  const { data: kept = nothingKept } = useQuery({
    queryKey,
    queryFn: skipToken,
    initialData: nothingKept,
    structuralSharing: false, // a decision that is kept stays the same object
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
    open: (call) => decisions.watchDecisions({ filter: wanted, recentCount: most }, call),
    onMessage: (message) => void queries.setQueryData<Kept>(queryKey, (before = nothingKept) => withMessage(before, message, now())),
    latest: () => toMessage(queries.getQueryData<Kept>(queryKey) ?? nothingKept),
    onEnd: (error) => setFailed({ name, error }),
  });
  return {
    /** Names the filter. */
    name,
    filtered: Object.keys(wanted).length > 0,
    kept,
    status,
    error,
    retry: () => setFailed(undefined),
  };
}
