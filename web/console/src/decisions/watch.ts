import { create } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { DecisionOutcome, WatchDecisionsFilterSchema, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { skipToken, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { nothingKept, withDecisions } from "./kept";

const outcomes = { admitted: DecisionOutcome.ADMITTED, refused: DecisionOutcome.REFUSED, ended: DecisionOutcome.ENDED };

/** Which decisions to watch: the search parameters of the page. */
export interface Filter {
  outcome?: keyof typeof outcomes | undefined;
  reason?: string | undefined;
  subject?: string | undefined;
  procedure?: string | undefined;
  service?: string | undefined;
}

/** Watches the decisions that match a filter. What came is kept while the window is open, for an hour. */
export function useDecisions({ outcome, ...names }: Filter) {
  const { decisions, queries } = useSignedIn();
  const { identity } = useWatched();
  const set = Object.fromEntries(Object.entries(names).filter(([, value]) => value !== undefined));
  const filter = create(WatchDecisionsFilterSchema, { ...set, ...(outcome === undefined ? {} : { outcome: outcomes[outcome] }) });
  const name = JSON.stringify([outcome, names.reason, names.subject, names.procedure, names.service]);
  const queryKey = ["decisions", name];
  const { data: kept = nothingKept } = useQuery({
    queryKey,
    queryFn: skipToken,
    initialData: nothingKept,
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
    open: (call) => decisions.watchDecisions({ filter }, call),
    onMessage: (message) => void queries.setQueryData<typeof nothingKept>(queryKey, (before = nothingKept) => withDecisions(before, message, Date.now())),
    onEnd: (error) => setFailed({ name, error }),
  });
  return { kept, status, error, retry: () => setFailed(undefined) };
}
