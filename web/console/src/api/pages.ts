import { useEffect } from "react";

/** How many rows fill a window, and how many pages are read to find so many. */
const enough = 100;
const mostPages = 20;

/** A list that is read page by page. */
export interface List {
  data: { pages: unknown[] } | undefined;
  hasNextPage: boolean;
  isFetching: boolean;
  isError: boolean;
  fetchNextPage: (options: { cancelRefetch: boolean }) => unknown;
}

/** Reads the next page while that is wanted. It does not ask again for one that could not be read: the user does. */
export function useNextPage(list: List | undefined, wanted: boolean): void {
  const fetchNextPage = list?.fetchNextPage;
  const reads = wanted && list?.hasNextPage && !list.isFetching && !list.isError;
  useEffect(() => {
    if (reads) {
      void fetchNextPage?.({ cancelRefetch: false }); // others may want it as well
    }
  }, [reads, fetchNextPage]);
}

/**
 * Reads further pages while there are fewer rows than fill a window: a page of a search ends
 * early where few of those that were examined match.
 */
export function useEnough(list: List, rows: number): void {
  useNextPage(list, rows < enough && (list.data?.pages.length ?? 0) < mostPages);
}

/** How often, in milliseconds, a page is read where the window has to wait for a stream. */
const pollEvery = 10_000;

/** After how many milliseconds a list is read again, which reads all its pages: so that the load does not grow with their number. */
export function pollPages({ state: { data } }: { state: Pick<List, "data"> }): number {
  return pollEvery * (data?.pages.length ?? 1);
}

/** How many there are, in words: "12 sessions", "at least 12 sessions". */
export function countOf(total: bigint | undefined, minimum: boolean, one: string, many: string): string {
  return total === undefined ? "" : `${minimum ? "at least " : ""}${total.toLocaleString()} ${total === 1n ? one : many}`;
}
