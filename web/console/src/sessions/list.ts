import { Code, ConnectError } from "@connectrpc/connect";
import { WatchSessionsResponseSchema } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { skipToken, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { pollPages, useEnough } from "../api/pages";
import { isPositionLost, priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { type Changes, changesSince, mostFresh, noChanges, rowsOf, trimmed, withMessage } from "./changes";
import { type Filter, isFiltered, requestOf, watchFilter } from "./filter";
import { keyOf } from "./names";

/** How many sessions are read at a time. */
const pageSize = 200;

/** The sessions that match a filter: read page by page, and followed by a stream. */
export function useSessions(filter: Filter) {
  const { sessions, queries } = useSignedIn();
  const { identity } = useWatched();
  const request = requestOf(filter);
  const name = JSON.stringify(request);
  const grouping = filter.group ?? "";
  const listKey = ["sessions", grouping, name];
  const changesKey = ["session changes", name];
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [queued, setQueued] = useState(false);

  const list = useInfiniteQuery({
    queryKey: listKey,
    queryFn: async ({ pageParam, signal }) => {
      const before = queries.getQueryData<Changes>(changesKey) ?? noChanges;
      const first = pageParam === "";
      const page = await sessions.listSessions({ ...request, pageSize, pageToken: pageParam, countTotal: first }, { signal });
      if (first) {
        queries.setQueryData<Changes>(changesKey, (now = noChanges) => changesSince(before, now, page.resumeToken));
      }
      return page;
    },
    initialPageParam: "",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchInterval: queued && pollPages,
    // What was listed by subject is not shown as if it were not, and the other way round.
    placeholderData: (previous, query) => (query?.queryKey[1] === grouping ? previous : undefined),
  });
  const { data: changes = noChanges } = useQuery({
    queryKey: changesKey,
    queryFn: skipToken,
    initialData: noChanges,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const listed = list.data?.pages.flatMap((page) => page.sessions) ?? [];
  useEnough(list, listed.length);
  const [first] = list.data?.pages ?? [];
  const current = first?.currentSession;
  const currentKey = current && keyOf(current);
  // The window's own session is shown first where the list does not have it, and not among those of its subject.
  const apart = current !== undefined && filter.group === undefined && !isFiltered(filter) && !listed.some(({ session }) => keyOf(session) === currentKey);
  const own = useQuery({
    queryKey: ["own session", currentKey],
    queryFn: async ({ signal }) => (await sessions.getSession({ session: current! }, { signal })).session ?? null,
    enabled: apart,
  });
  const known = apart && own.data ? [own.data, ...listed] : listed;
  const tableOf = (changes: Changes) => rowsOf(known, list.hasNextPage, changes, shown, filter);
  const { rows, fresh } = tableOf(changes);
  const tooMany = changes.leftOut > 0;

  const [streamError, setStreamError] = useState<ConnectError>();
  const status = useStream({
    name: `WatchSessions ${name}`,
    schema: WatchSessionsResponseSchema,
    priority: priorities.page,
    enabled: identity !== undefined && list.data !== undefined && !list.isPlaceholderData && streamError === undefined,
    open: async function* (call) {
      const resumeToken = queries.getQueryData<Changes>(changesKey)?.position ?? "";
      try {
        yield* sessions.watchSessions({ filter: watchFilter(filter), resumeToken }, call);
      } catch (error) {
        if (!isPositionLost(error)) {
          throw error;
        }
        await Promise.all([queries.resetQueries({ queryKey: listKey }), queries.resetQueries({ queryKey: changesKey })]);
        throw new ConnectError("the sessions were listed again", Code.Unavailable); // and so the stream is opened again
      }
    },
    onMessage: (message) => {
      const next = queries.setQueryData<Changes>(changesKey, (before = noChanges) => {
        const after = withMessage(before, message);
        return list.isFetching ? after : trimmed(after, tableOf); // a page that is being read may need them
      });
      if (next?.unknown) {
        void queries.invalidateQueries({ queryKey: listKey });
      }
    },
    onGap: () => void queries.invalidateQueries({ queryKey: listKey }),
    onEnd: setStreamError,
  });
  if (queued !== (status.state === "queued")) {
    setQueued(status.state === "queued");
  }

  return {
    list,
    status,
    error: list.error ?? streamError,
    retry: () => {
      setStreamError(undefined);
      void list.refetch();
    },
    current,
    currentKey,
    rows,
    /** How many there are, with those that the user has asked for since they were counted. */
    total: first?.totalCount === undefined ? undefined : first.totalCount + BigInt(rows.filter(({ added }) => added).length),
    totalIsMinimum: first?.totalCountIsMinimum ?? false,
    fresh: { count: tooMany ? mostFresh : fresh.length, more: tooMany },
    showFresh: () => (tooMany ? void list.refetch() : setShown(new Set([...shown, ...fresh.map(({ key }) => key)]))),
  };
}
