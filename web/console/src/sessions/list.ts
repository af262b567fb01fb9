import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@ostiary/client";
import { type Session, WatchSessionsResponseSchema } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { skipToken, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { noChanges, rowsOf, withMessage } from "./changes";
import { keyOf, stateOf, subjectOf } from "./names";

/** How many sessions are read at a time. */
const pageSize = 200;

/** How often, in milliseconds, the list is read where the window has to wait for a stream. */
const pollEvery = 10_000;

/** Which sessions to show: the search parameters of the page. */
export interface Filter {
  /** What the subject or the id of the session begins with. */
  q?: string | undefined;
  state?: "active" | "expired" | "ended" | undefined;
  issuer?: string | undefined;
  subject?: string | undefined;
  organization?: string | undefined;
}

/** The part of a filter that the server applies. */
export function serverFilter({ issuer, subject, organization }: Filter) {
  return {
    ...(issuer === undefined ? {} : { issuer }),
    ...(subject === undefined ? {} : { subject }),
    ...(organization === undefined ? {} : { organizationId: organization }),
  };
}

/** Whether a session matches the part of a filter that is applied here. */
export function matches(session: Session, { q = "", state }: Filter): boolean {
  const found = subjectOf(session.session).startsWith(q) || (session.session?.sessionId ?? "").startsWith(q);
  return found && (state === undefined || stateOf(session).name === state);
}

/** The sessions that match a filter: read page by page, and followed by a stream. */
export function useSessions(filter: Filter) {
  const { sessions, queries } = useSignedIn();
  const { identity } = useWatched();
  const onServer = serverFilter(filter);
  const name = JSON.stringify(onServer);
  const listKey = ["sessions", name];
  const changesKey = ["session changes", name];
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [queued, setQueued] = useState(false);

  const list = useInfiniteQuery({
    queryKey: listKey,
    queryFn: ({ pageParam, signal }) => sessions.listSessions({ filter: onServer, pageSize, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchInterval: queued ? pollEvery : false,
  });
  const { data: changes = noChanges } = useQuery({
    queryKey: changesKey,
    queryFn: skipToken,
    initialData: noChanges,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const [streamError, setStreamError] = useState<ConnectError>();
  const status = useStream({
    name: `WatchSessions ${name}`,
    schema: WatchSessionsResponseSchema,
    priority: priorities.page,
    enabled: identity !== undefined && list.data !== undefined && streamError === undefined,
    open: async function* (call) {
      const resumeToken = queries.getQueryData<typeof noChanges>(changesKey)?.position ?? list.data?.pages[0]?.resumeToken ?? "";
      try {
        yield* sessions.watchSessions({ filter: onServer, resumeToken }, call);
      } catch (error) {
        if (!isPositionLost(error)) {
          throw error;
        }
        await Promise.all([queries.resetQueries({ queryKey: listKey }), queries.resetQueries({ queryKey: changesKey })]);
        throw new ConnectError("the sessions were listed again", Code.Unavailable); // and so the stream is opened again
      }
    },
    onMessage: (message) => {
      const next = queries.setQueryData<typeof noChanges>(changesKey, (before = noChanges) => withMessage(before, message));
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

  const listed = list.data?.pages.flatMap((page) => page.sessions) ?? [];
  const current = list.data?.pages[0]?.currentSession;
  const currentKey = current && keyOf(current);
  const own = useQuery({
    queryKey: ["own session", currentKey],
    queryFn: async ({ signal }) => (await sessions.getSession({ session: current! }, { signal })).session ?? null,
    enabled: current !== undefined && name === "{}" && !listed.some(({ session }) => keyOf(session) === currentKey),
  });
  const { rows, fresh } = rowsOf(own.data ? [own.data, ...listed] : listed, list.hasNextPage, changes, shown);
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
    rows: rows.filter(({ session }) => matches(session, filter)),
    loaded: rows.length,
    fresh: fresh.filter(({ session }) => matches(session, filter)),
    showFresh: () => setShown(new Set([...shown, ...fresh.map(({ key }) => key)])),
  };
}

/** Whether the server cannot go on from a position. */
export function isPositionLost(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === "POSITION_EXPIRED" || reason === "POSITION_EPOCH_CHANGED";
}
