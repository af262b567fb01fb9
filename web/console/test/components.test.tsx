// @vitest-environment jsdom
import { create } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { AccessExplanationSchema, AccessOutcome } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { type Decision, DecisionOutcome, DecisionSchema, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { SignalSourceStatusSchema } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { StreamPriority } from "../src/api/priority.js";
import { parseConfig } from "../src/app/config.js";
import { ErrorBoundary } from "../src/app/errorboundary.js";
import { pagesOf } from "../src/app/permitted.js";
import { Counts } from "../src/decisions/counts.js";
import { countedSince, most, nothingKept, series, toMessage, withMessage } from "../src/decisions/kept.js";
import { fromFragment, toFragment } from "../src/decisions/link.js";
import { took } from "../src/decisions/panel.js";
import { Search } from "../src/decisions/search.js";
import { DecisionTable } from "../src/decisions/table.js";
import { SignalCard } from "../src/health/issuers.js";
import { Answer } from "../src/try/answer.js";
import type { Attempt } from "../src/try/attempt.js";
import { Failure } from "../src/ui/failure.js";
import { Moment } from "../src/ui/moment.js";

vi.hoisted(() => vi.stubGlobal("matchMedia", () => new EventTarget())); // jsdom has none
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

function Broken(): never {
  throw new Error("the list has no end");
}

test("what is thrown while the page is rendered is shown in place of an empty page", () => {
  const silent = vi.spyOn(console, "error").mockImplementation(() => {});
  render(
    <ErrorBoundary>
      <Broken />
    </ErrorBoundary>,
  );
  expect(screen.getByRole("alert").textContent).toContain("The list has no end.");
  expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
  silent.mockRestore();
});

test("a failure says what went wrong, and is tried again", () => {
  const retry = vi.fn();
  render(<Failure error={new ConnectError("the disk is full", Code.Internal)} retry={retry} />);
  expect(screen.getByRole("alert").textContent).toMatch(/The disk is full[.].*Internal/);
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(retry).toHaveBeenCalledOnce();
});

test("a failure shows the characters of the server's words that cannot be seen", () => {
  render(<Failure error={new ConnectError("the disk\u202e is full", Code.Internal)} />);
  expect(screen.getByRole("alert").textContent).toContain("The disk\\u202e is full.");
});

test("an answer shows where a backend's link goes, and what cannot be seen in its words", () => {
  const error = {
    code: "PermissionDenied",
    reason: "NO\u200bREASON",
    message: "not\u202eyou",
    help: "https://signin\t.\u0430cme.example/\u202e",
    violations: [],
  };
  const result: Attempt = {
    began: 0,
    state: "done",
    headers: [["x-note", "a\u200bb"]],
    messages: ['{"name": "c\u202ed"}'],
    count: 1,
    bytes: 0,
    took: 0,
    error,
  };
  const { container, rerender } = render(<Answer backend="shop" result={result} />);
  expect(screen.getByRole("link").textContent).toBe("https://signin.xn--cme-5cd.example/%E2%80%AE");
  expect(container.textContent).toContain("The backend says what to do about it at https://");
  for (const shown of ["a\\u200bb", "c\\u202ed", "NO\\u200bREASON", "not\\u202eyou"]) {
    expect(container.textContent).toContain(shown);
  }
  rerender(<Answer backend="" result={{ ...result, error: { ...error, violations: [{ field: "", description: "e\u2066f" }] } }} />);
  expect(screen.getByRole("link").textContent).toBe("What to do about it");
  expect(container.textContent).toContain("e\\u2066f");
});

test("what backends allow opens no page of this server", () => {
  const explained = (backend: string, outcome: AccessOutcome) =>
    create(AccessExplanationSchema, { procedure: "/ostiary.decision.v1.DecisionService/WatchDecisions", outcome, backend });
  const names = (...of: Parameters<typeof pagesOf>) => pagesOf(...of).map(({ to }) => to);
  const everybody = names([]);
  expect(everybody).not.toContain("/decisions");
  expect(names([explained("", AccessOutcome.UNMET), explained("shop", AccessOutcome.MET)])).toEqual(everybody);
  expect(names([explained("", AccessOutcome.MET), explained("shop", AccessOutcome.UNMET)])).toContain("/decisions");
});

test("a time is said as seen from now", () => {
  render(<Moment at={timestampFromMs(Date.now() - 120_500)} />);
  expect(screen.getByText("2 minutes ago").getAttribute("dateTime")).toMatch(/^\d{4}-/);
});

test.each([8.64e12 + 1, -1e15, 2 ** 53])("no time is said where there is none: %d seconds after 1970", (seconds) => {
  const { container } = render(<Moment at={create(TimestampSchema, { seconds: BigInt(seconds) })} inFull />);
  expect(container.textContent).toBe("–");
});

test.each([
  [{}, {}, {}, true],
  [{ seconds: 7n }, {}, {}, false],
  [{}, { seconds: 7n }, {}, false],
  [{}, {}, { failing: true }, true],
  [{ seconds: 7n }, {}, { stale: true }, true],
])(
  "a source of signals whose last message was refused, and then accepted: %o, or polled: %o, with a stream %o, is said to fail: %s",
  (accepted, polled, stream, fails) => {
    const source = create(SignalSourceStatusSchema, {
      lastError: "the signature is wrong",
      lastRefusedTime: create(TimestampSchema, { seconds: 6n, nanos: 1 }),
      lastAcceptedTime: create(TimestampSchema, { seconds: 6n, ...accepted }),
      ...("seconds" in polled ? { lastPollTime: create(TimestampSchema, polled) } : {}),
      stream,
    });
    render(<SignalCard source={source} />);
    expect(screen.queryByText("see the last error") !== null).toBe(fails);
    expect(screen.getByText("the signature is wrong")).toBeTruthy();
  },
);

test.each([
  [0n, 900, "1 µs"],
  [0n, 250_000, "250 µs"],
  [0n, 1_400_000, "1.4 ms"],
  [0n, 1_700_000, "1.7 ms"],
  [2n, 500_000, "2000.5 ms"],
])("a decision that took %d s and %d ns took %s", (seconds, nanos, text) => {
  expect(took(create(DurationSchema, { seconds, nanos }))).toBe(text);
});

function decision(reason: string, at: number, count = 1n) {
  return create(DecisionSchema, {
    outcome: reason === "" ? DecisionOutcome.ADMITTED : DecisionOutcome.REFUSED,
    reason,
    count,
    decisionTime: timestampFromMs(at),
  });
}

test("decisions are counted by reason, the most frequent first, and choosing one filters by it", () => {
  const now = Date.now();
  const message = create(WatchDecisionsResponseSchema, {
    decisions: [decision("TOKEN_EXPIRED", now), decision("", now, 40n), decision("TOKEN_EXPIRED", now - 60_000, 2n)],
  });
  const onReason = vi.fn();
  render(<Counts kept={withMessage(nothingKept, message, now)} onReason={onReason} />);
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual(["admitted40", "TOKEN_EXPIRED3"]);
  fireEvent.click(screen.getByRole("button", { name: "TOKEN_EXPIRED" }));
  expect(onReason).toHaveBeenCalledWith("TOKEN_EXPIRED");
});

test("of many decisions the latest are kept, and all are counted, for an hour", () => {
  const now = Date.now();
  const burst = (at: number) =>
    create(WatchDecisionsResponseSchema, { decisions: Array.from({ length: most + 5 }, () => decision("TOKEN_MISSING", at)), missedCount: 7n });
  const kept = withMessage(withMessage(nothingKept, burst(now), now), create(WatchDecisionsResponseSchema, { missedCount: 1n }), now);
  expect(kept.decisions).toHaveLength(most);
  expect([...kept.counts.values()].map((of) => of.get("TOKEN_MISSING"))).toEqual([most + 5]);
  expect(kept.missed).toBe(8n);
  const later = now + 3_700_000;
  expect([...withMessage(kept, burst(later), later).counts.keys()]).toEqual([Math.floor(later / 60_000)]);
});

test("how many decisions are new is known although those before are no longer kept", () => {
  const now = Date.now();
  const of = (length: number) => create(WatchDecisionsResponseSchema, { decisions: Array.from({ length }, () => decision("TOKEN_MISSING", now)) });
  const paused = withMessage(nothingKept, of(3), now);
  expect(withMessage(paused, of(most + 5), now).received - paused.received).toBe(most + 5);
});

/** The first message of a stream, with the reach and the counts of a server that has them. */
function first(
  decisions: Decision[],
  { refused = 0, admitted = 0, counted, counts = [] }: { refused?: number; admitted?: number; counted?: number; counts?: [string, number, number][] },
) {
  return create(WatchDecisionsResponseSchema, {
    recent: {
      decisions,
      refusedSinceTime: timestampFromMs(refused),
      admittedSinceTime: timestampFromMs(admitted),
      ...(counted === undefined ? {} : { countedSinceTime: timestampFromMs(counted) }),
      counts: counts.map(([reason, at, count]) => ({
        outcome: reason === "" ? DecisionOutcome.ADMITTED : DecisionOutcome.REFUSED,
        reason,
        minutes: [{ startTime: timestampFromMs(at - (at % 60_000)), count: BigInt(count) }],
      })),
    },
  });
}

const totals = (kept: typeof nothingKept, now: number) => Object.fromEntries(series(kept, now).map(({ kind, total }) => [kind, total]));

test("the chart has what the server counted before, and adds what comes", () => {
  const now = Date.now();
  const old = decision("TOKEN_EXPIRED", now - 120_000);
  const before = first([old], {
    refused: now - 600_000,
    admitted: now - 1000,
    counted: now - 3_000_000,
    counts: [
      ["TOKEN_EXPIRED", now - 120_000, 900],
      ["", now, 40_000],
    ],
  });
  const kept = withMessage(nothingKept, before, now);
  expect(totals(kept, now)).toEqual({ admitted: 40_000, TOKEN_EXPIRED: 900 });
  const after = withMessage(kept, create(WatchDecisionsResponseSchema, { decisions: [decision("TOKEN_EXPIRED", now, 2n)] }), now);
  expect(totals(after, now)).toEqual({ admitted: 40_000, TOKEN_EXPIRED: 902 });
  expect(after.decisions.map(({ count }) => count)).toEqual([2n, 1n]);
  expect(countedSince(after)).toBe(now - 3_000_000);
  expect(countedSince(withMessage(nothingKept, first([old], { refused: now - 600_000, admitted: now - 1000 }), now))).toBe(now - 1000);
});

test("a stream that is opened again doubles nothing, and says how far back all goes without a gap", () => {
  const now = Date.now();
  const named = (id: string, reason: string) => create(DecisionSchema, { ...decision(reason, now), decisionId: id });
  const folded = decision("TOKEN_MISSING", now, 990n); // has no id
  const kept = withMessage(nothingKept, first([named("a-1", "TOKEN_EXPIRED"), folded], { refused: now - 5000, admitted: now - 5000 }), now);
  expect(totals(kept, now)).toEqual({ TOKEN_EXPIRED: 1, TOKEN_MISSING: 990 });
  const again = [named("a-1", "TOKEN_EXPIRED"), create(DecisionSchema, folded), named("a-2", "TOKEN_EXPIRED")];
  const after = withMessage(kept, first(again, { refused: now - 1000, admitted: now + 2000 }), now + 3000);
  expect(after.decisions.map(({ decisionId }) => decisionId)).toEqual(["a-2", "", "a-1"]);
  expect(after.received).toBe(3);
  expect(totals(after, now)).toEqual({ TOKEN_EXPIRED: 2, TOKEN_MISSING: 990 });
  expect(after.refusedSince).toBe(now - 5000);
  expect(after.admittedSince).toBe(now + 2000); // those in between are missing
  const another = withMessage(after, first([named("b-1", "TOKEN_EXPIRED")], { refused: now + 1000, admitted: now + 1000 }), now + 3000);
  expect([another.refusedSince, another.admittedSince]).toEqual([now + 1000, now + 1000]); // of another server
});

test("when no more are kept one by one, they go back to the oldest", () => {
  const now = Date.now();
  const kept = withMessage(nothingKept, first([decision("TOKEN_EXPIRED", now - 9000)], { refused: now - 10_000, admitted: now - 10_000 }), now);
  const many = Array.from({ length: most }, (_, i) => decision("TOKEN_EXPIRED", now + i));
  const after = withMessage(kept, create(WatchDecisionsResponseSchema, { decisions: many }), now);
  expect([after.refusedSince, after.admittedSince]).toEqual([now, now]);
});

test("a window that joins others gets all that they have", () => {
  const now = Date.now();
  const counts: [string, number, number][] = [
    ["TOKEN_EXPIRED", now - 120_000, 900],
    ["", now, 40],
  ];
  const kept = withMessage(
    nothingKept,
    first([decision("TOKEN_EXPIRED", now)], { refused: now - 2000, admitted: now - 1000, counted: now - 3_000_000, counts }),
    now,
  );
  expect(withMessage(nothingKept, toMessage(kept), now)).toEqual(kept);
  const filtered = withMessage(nothingKept, first([decision("TOKEN_EXPIRED", now)], { refused: now - 2000, admitted: now - 1000 }), now);
  expect(withMessage(nothingKept, toMessage(filtered), now)).toEqual(filtered);
});

test("decisions are searched for by subject, request id or trace id, and by one of them alone", () => {
  const onSearch = vi.fn();
  const { rerender } = render(<Search filter={{ subject: "user_ada" }} onSearch={onSearch} />);
  expect(screen.getByRole<HTMLInputElement>("searchbox", { name: "Subject" }).value).toBe("user_ada");
  fireEvent.change(screen.getByRole("combobox"), { target: { value: "request" } });
  const field = screen.getByRole("searchbox", { name: "Request id" });
  field.focus();
  fireEvent.change(field, { target: { value: " 9h3k " } });
  fireEvent.submit(field);
  expect(onSearch).toHaveBeenLastCalledWith({ subject: undefined, trace: undefined, request: "9h3k" });
  rerender(<Search filter={{ request: "9h3k" }} onSearch={onSearch} />);
  expect(document.activeElement).toBe(field);
  rerender(<Search filter={{ trace: "0af7" }} onSearch={onSearch} />); // by a link
  expect(screen.getByRole<HTMLInputElement>("searchbox", { name: "Trace id" }).value).toBe("0af7");
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "" } });
  expect(onSearch).toHaveBeenLastCalledWith({ subject: undefined, request: undefined, trace: undefined });
});

test.each([3, most])("the decision that has the focus keeps it when another comes, of %d without an id", (length) => {
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(800); // jsdom has no layout
  const now = Date.now();
  const decisions = Array.from({ length }, (_, i) => create(DecisionSchema, { procedure: `/acme.v1.Service/Method${i}` }));
  const kept = withMessage(nothingKept, create(WatchDecisionsResponseSchema, { decisions }), now);
  const show = (of: typeof kept) => <DecisionTable kept={of} selected="" onSelect={() => {}} />;
  const { rerender } = render(show(kept));
  const button = screen.getByRole("button", { name: `Method${length - 2}` });
  button.focus();
  const after = withMessage(
    kept,
    create(WatchDecisionsResponseSchema, { decisions: [create(DecisionSchema, { procedure: "/acme.v1.Service/Another" })] }),
    now,
  );
  rerender(show(after));
  expect(screen.getByRole("button", { name: "Another" })).toBeTruthy();
  expect(document.activeElement).toBe(button);
  expect(button.textContent).toBe(`Method${length - 2}`);
});

test("a decision goes into a link and comes out of it, and anything else does not", () => {
  const one = decision("TOKEN_EXPIRED", 1000);
  expect(fromFragment(toFragment(one))).toEqual(one);
  expect(fromFragment("")).toBeUndefined();
  expect(fromFragment("main!")).toBeUndefined();
});

test("the stream with the highest priority is open, and of equal ones the latest", () => {
  const streams = new StreamPriority();
  const changes = vi.fn();
  streams.subscribe(changes);
  expect(streams.winner()).toBeUndefined();
  const page = streams.add("page", 1);
  streams.add("identity", 0);
  expect(streams.winner()).toBe("page");
  const second = streams.add("second", 1);
  expect(streams.winner()).toBe("second");
  second();
  page();
  expect(streams.winner()).toBe("identity");
  expect(changes).toHaveBeenCalledTimes(5);
});

test("a configuration that is not valid is refused, with what is wrong", () => {
  expect(parseConfig({ version: "v1", personas: true })).toEqual({ version: "v1", personas: true });
  expect(() => parseConfig({ version: "v1", personas: "yes" })).toThrow(/personas/);
  expect(() => parseConfig({ version: "v1", personas: false, clerk: { publishableKey: "pk", frontendApi: "clerk" } })).toThrow(/frontendApi/);
  const metadata = { issuer: "https://a.example", authorization_endpoint: "https://a.example/auth", token_endpoint: "https://a.example/token" };
  const signIn = (issuer: string) => ({
    version: "v1",
    personas: false,
    signIns: [{ issuer, clientId: "console", callback: "/console/callback/a.example", scopes: [], hint: true, metadata }],
  });
  expect(parseConfig(signIn("https://a.example")).signIns?.[0]?.metadata).toEqual(metadata);
  expect(() => parseConfig(signIn("https://b.example"))).toThrow(/metadata are those of another issuer/);
});
