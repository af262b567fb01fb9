import { Code, ConnectError } from "@connectrpc/connect";
import { RevocationOrder, TargetKind, WatchRevocationsResponseSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { keepPreviousData, type QueryClient, skipToken, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { pollPages, useEnough } from "../api/pages";
import { isPositionLost, priorities, useStream } from "../api/stream";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { type Made, madeSince, nothingMade, rowsOf, withMessage } from "./made";
import type { Kind } from "./target";

/** How many revocations are read at a time. */
const pageSize = 200;

const queryKey = ["revocations"];

/** The kinds, as requests name them. */
const targetKinds: Record<Kind, TargetKind> = {
  subject: TargetKind.SUBJECT,
  session: TargetKind.SESSION,
  client: TargetKind.CLIENT,
  token: TargetKind.TOKEN,
  organization: TargetKind.ORGANIZATION,
  member: TargetKind.MEMBER,
  machine: TargetKind.MACHINE,
  issuer: TargetKind.ISSUER,
};

/** Which revocations to show: the search parameters of the page. */
export interface Filter {
  /** What the name, the subject, the cause or the subject of who has revoked it contains. */
  q?: string | undefined;
  kind?: Kind | undefined;
  issuer?: string | undefined;
  /** The subject of who has revoked it. */
  by?: string | undefined;
}

/** Whether a filter leaves anything out. */
export function isFiltered({ q, kind, issuer, by }: Filter): boolean {
  return [q, kind, issuer, by].some((value) => value !== undefined);
}

/** The revocations that match, the latest first: read page by page, as they are scrolled to, and followed by a stream. */
export function useRevocations({ q = "", kind, issuer, by }: Filter) {
  const { revocations, queries } = useSignedIn();
  const { identity } = useWatched();
  const filter = {
    query: q,
    kinds: kind === undefined ? [] : [targetKinds[kind]],
    ...(issuer === undefined ? {} : { issuer }),
    ...(by === undefined ? {} : { bySubject: by }),
  };
  const name = JSON.stringify(filter);
  const listKey = [...queryKey, name];
  const madeKey = [...queryKey, name, "made since"];
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [queued, setQueued] = useState(false);
  const [streamError, setStreamError] = useState<ConnectError>();
  const list = useInfiniteQuery({
    queryKey: listKey,
    queryFn: async ({ pageParam, signal }) => {
      const before = queries.getQueryData<Made>(madeKey) ?? nothingMade;
      const first = pageParam === "";
      const page = await revocations.listRevocations(
        { filter, order: RevocationOrder.NEWEST_FIRST, pageSize, pageToken: pageParam, countTotal: first },
        { signal },
      );
      if (first) {
        queries.setQueryData<Made>(madeKey, (now = nothingMade) => madeSince(before, now, page.resumeToken));
      }
      return page;
    },
    initialPageParam: "",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchInterval: queued && pollPages,
    placeholderData: keepPreviousData,
  });
  const { data: made = nothingMade } = useQuery({
    queryKey: madeKey,
    queryFn: skipToken,
    initialData: nothingMade,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const status = useStream({
    name: `WatchRevocations ${name}`,
    schema: WatchRevocationsResponseSchema,
    priority: priorities.page,
    enabled: identity !== undefined && list.data !== undefined && !list.isPlaceholderData && streamError === undefined,
    open: async function* (call) {
      const resumeToken = queries.getQueryData<Made>(madeKey)?.position ?? "";
      try {
        yield* revocations.watchRevocations({ filter, resumeToken }, call);
      } catch (error) {
        if (!isPositionLost(error)) {
          throw error;
        }
        await readAgain(queries);
        throw new ConnectError("the revocations were listed again", Code.Unavailable); // and so the stream is opened again
      }
    },
    onMessage: (message) => queries.setQueryData<Made>(madeKey, (before = nothingMade) => withMessage(before, message)),
    onGap: () => void queries.invalidateQueries({ queryKey: listKey, exact: true }),
    onEnd: setStreamError,
  });
  if (queued !== (status.state === "queued")) {
    setQueued(status.state === "queued");
  }
  const listed = list.data?.pages.flatMap((page) => page.revocations) ?? [];
  useEnough(list, listed.length);
  const { rows, fresh } = rowsOf(listed, made, shown);
  const [first] = list.data?.pages ?? [];
  return {
    list,
    status,
    error: list.error ?? streamError,
    retry: () => {
      setStreamError(undefined);
      void list.refetch();
    },
    rows,
    /** How many there are, with those that the user has asked for since they were counted. */
    total: first?.totalCount === undefined ? undefined : first.totalCount + BigInt(rows.length - listed.length),
    totalIsMinimum: first?.totalCountIsMinimum ?? false,
    fresh: { count: fresh.length, more: made.leftOut > 0 },
    showFresh: () => (made.leftOut > 0 ? void readAgain(queries) : setShown(new Set([...shown, ...fresh.map(({ revocationId }) => revocationId)]))),
  };
}

/** Has the revocations read again, after some were made. */
export function readAgain(queries: QueryClient): Promise<void> {
  return queries.resetQueries({ queryKey });
}
