import type { Revocation } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { ListRevocationsResponse } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { type InfiniteData, type QueryClient, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useSignedIn } from "../auth/signedin";

/** How many revocations are read at a time. The server returns no more. */
const pageSize = 1000;

/** How many pages are read at most. */
const mostPages = 100;

const queryKey = ["revocations"];

/** The revocations, the latest first. The server lists the oldest first, so all pages are read. */
export function useRevocations() {
  const { revocations } = useSignedIn();
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => revocations.listRevocations({ pageSize, pageToken: pageParam }, { signal }),
    initialPageParam: "",
    getNextPageParam: ({ nextPageToken }, pages) => (pages.length < mostPages && nextPageToken) || undefined,
    staleTime: 60_000,
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = list;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) {
      void fetchNextPage();
    }
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return { list, all: list.data?.pages.flatMap((page) => page.revocations).reverse() ?? [] };
}

/** Adds revocations that were just made to those that were read. */
export function addRevocations(queries: QueryClient, made: readonly Revocation[]): void {
  queries.setQueryData<InfiniteData<ListRevocationsResponse, string>>(queryKey, (data) => {
    const last = data?.pages.at(-1);
    if (data === undefined || last === undefined) {
      return data;
    }
    return { ...data, pages: [...data.pages.slice(0, -1), { ...last, revocations: [...last.revocations, ...made] }] };
  });
}
