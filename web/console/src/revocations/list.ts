import { RevocationOrder, TargetKind } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { keepPreviousData, type QueryClient, useInfiniteQuery } from "@tanstack/react-query";
import { useEnough } from "../api/pages";
import { useSignedIn } from "../auth/signedin";
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
  grant: TargetKind.GRANT,
};

/** Which revocations to show: the search parameters of the page. */
export interface Filter {
  /** What the name, the subject, the cause or the subject of who has revoked it contains. */
  q?: string | undefined;
  kind?: Kind | undefined;
}

/** The revocations that match, the latest first: read page by page, as they are scrolled to. */
export function useRevocations({ q = "", kind }: Filter) {
  const { revocations } = useSignedIn();
  const filter = { query: q, kinds: kind === undefined ? [] : [targetKinds[kind]] };
  const list = useInfiniteQuery({
    queryKey: [...queryKey, q, kind],
    queryFn: ({ pageParam, signal }) =>
      revocations.listRevocations({ filter, order: RevocationOrder.NEWEST_FIRST, pageSize, pageToken: pageParam, countTotal: pageParam === "" }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });
  const all = list.data?.pages.flatMap((page) => page.revocations) ?? [];
  useEnough(list, all.length);
  return { list, all };
}

/** Has the revocations read again, after some were made. */
export function readAgain(queries: QueryClient): Promise<void> {
  return queries.resetQueries({ queryKey });
}
