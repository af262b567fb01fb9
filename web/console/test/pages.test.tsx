// @vitest-environment jsdom
import { QueryClient, QueryClientProvider, useInfiniteQuery } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { useEnough } from "../src/api/pages.js";
import { VirtualTable } from "../src/ui/virtualtable.js";

vi.hoisted(() => vi.stubGlobal("matchMedia", () => new EventTarget())); // jsdom has none
afterEach(cleanup);

/** A table whose pages are read by a function. */
function Table({ read, enough }: { read: (page: number) => Promise<number>; enough: boolean }) {
  const list = useInfiniteQuery({
    queryKey: ["pages"],
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: 0,
    getNextPageParam: (page) => (page < 3 ? page + 1 : undefined),
    retry: false,
  });
  const count = list.data?.pages.length ?? 0;
  useEnough(list, enough ? Number.POSITIVE_INFINITY : count);
  return (
    <>
      <VirtualTable label="Pages" columns={["Page"]} className="" count={count} row={() => undefined} list={list} />
      <p>{list.isError ? "failed" : list.hasNextPage ? "more" : `${count} read`}</p>
    </>
  );
}

function show(read: (page: number) => Promise<number>, enough = true) {
  const page = () => (
    <QueryClientProvider client={queries}>
      <Table read={read} enough={enough} />
    </QueryClientProvider>
  );
  const queries = new QueryClient();
  const { rerender } = render(page());
  return { queries, again: () => rerender(page()) };
}

test("further pages are read while a table has room for them, and their number is not known before the last", async () => {
  let answer: (page: number) => void = () => {};
  const read = vi.fn((page: number) => (page === 1 ? new Promise<number>((resolve) => (answer = resolve)) : Promise.resolve(page)));
  show(read);
  await vi.waitFor(() => expect(read).toHaveBeenCalledTimes(2));
  await screen.findByText("more");
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("-1"); // also while one is being read
  answer(1);
  await screen.findByText("4 read");
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("5");
});

test.each([true, false])("a page that cannot be read is asked for once, until the user asks again (there are enough rows: %s)", async (enough) => {
  let fails = true;
  const read = vi.fn(async (page: number) => {
    if (page === 1 && fails) {
      throw new Error("the server is away");
    }
    return page;
  });
  const { queries, again } = show(read, enough);
  await screen.findByText("failed");
  for (let i = 0; i < 10; i++) {
    again();
    await new Promise((resolve) => setTimeout(resolve)); // what a render asks for has been asked for
  }
  expect(read.mock.calls.filter(([page]) => page === 1)).toHaveLength(1);
  fails = false;
  void queries.refetchQueries();
  await screen.findByText("4 read");
});
