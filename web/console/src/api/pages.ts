import { useEffect } from "react";

/** How many rows fill a window, and how many pages are read to find so many. */
const enough = 100;
const mostPages = 20;

interface List {
  data: { pages: unknown[] } | undefined;
  hasNextPage: boolean;
  isFetching: boolean;
  isError: boolean;
  fetchNextPage: () => unknown;
}

/**
 * Reads further pages while there are fewer rows than fill a window: a page of a search ends
 * early where few of those that were examined match.
 */
export function useEnough({ data, hasNextPage, isFetching, isError, fetchNextPage }: List, rows: number): void {
  const wanted = hasNextPage && !isFetching && !isError && rows < enough && (data?.pages.length ?? 0) < mostPages;
  useEffect(() => {
    if (wanted) {
      void fetchNextPage();
    }
  }, [wanted, fetchNextPage]);
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
