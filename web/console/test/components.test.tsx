// @vitest-environment jsdom
import { create } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { AccessExplanationSchema, AccessOutcome } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { DecisionOutcome, DecisionSchema, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { SignalSourceStatusSchema } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { StreamPriority } from "../src/api/priority.js";
import { parseConfig } from "../src/app/config.js";
import { ErrorBoundary } from "../src/app/errorboundary.js";
import { pagesOf } from "../src/app/permitted.js";
import { Counts } from "../src/decisions/counts.js";
import { matching, most, nothingKept, series, withDecisions } from "../src/decisions/kept.js";
import { fromFragment, toFragment } from "../src/decisions/link.js";
import { took } from "../src/decisions/panel.js";
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
  render(<Counts kept={withDecisions(nothingKept, message, now)} onReason={onReason} />);
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual(["admitted40", "TOKEN_EXPIRED3"]);
  fireEvent.click(screen.getByRole("button", { name: "TOKEN_EXPIRED" }));
  expect(onReason).toHaveBeenCalledWith("TOKEN_EXPIRED");
});

test("of many decisions the latest are kept, and all are counted, for an hour", () => {
  const now = Date.now();
  const burst = (at: number) =>
    create(WatchDecisionsResponseSchema, { decisions: Array.from({ length: most + 5 }, () => decision("TOKEN_MISSING", at)), missedCount: 7n });
  const kept = withDecisions(withDecisions(nothingKept, burst(now), now), create(WatchDecisionsResponseSchema, { missedCount: 1n }), now);
  expect(kept.decisions).toHaveLength(most);
  expect([...kept.counts.values()].map((of) => of.get("TOKEN_MISSING"))).toEqual([most + 5]);
  expect(kept.missed).toBe(8n);
  const later = now + 3_700_000;
  expect([...withDecisions(kept, burst(later), later).counts.keys()]).toEqual([Math.floor(later / 60_000)]);
});

test("how many decisions are new is known although those before are no longer kept", () => {
  const now = Date.now();
  const of = (length: number) => create(WatchDecisionsResponseSchema, { decisions: Array.from({ length }, () => decision("TOKEN_MISSING", now)) });
  const paused = withDecisions(nothingKept, of(3), now);
  expect(withDecisions(paused, of(most + 5), now).received - paused.received).toBe(most + 5);
});

test("a filter begins with what matches of all decisions that are kept, and counts those", () => {
  const now = Date.now();
  const message = create(WatchDecisionsResponseSchema, {
    decisions: [decision("TOKEN_EXPIRED", now), decision("", now), decision("TOKEN_EXPIRED", now - 60_000, 2n)],
  });
  const kept = withDecisions(nothingKept, message, now);
  const found = matching(kept, ({ reason }) => reason === "TOKEN_EXPIRED", now);
  expect(found.decisions).toEqual([message.decisions[2], message.decisions[0]]);
  expect(series(found, now).map(({ kind, total }) => [kind, total])).toEqual([["TOKEN_EXPIRED", 3]]);
  expect(found.since).toBe(now);
  expect(matching(kept, () => false, now)).toMatchObject({ decisions: [], received: 0, since: now });
  expect(matching(nothingKept, () => true, now)).toEqual(nothingKept);
  const burst = create(WatchDecisionsResponseSchema, { decisions: Array.from({ length: most }, () => decision("TOKEN_MISSING", now + 1000)) });
  expect(matching(withDecisions(kept, burst, now), () => true, now).since).toBe(now + 1000); // the others are known by their number alone
});

test.each([3, most])("the decision that has the focus keeps it when another comes, of %d without an id", (length) => {
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(800); // jsdom has no layout
  const now = Date.now();
  const decisions = Array.from({ length }, (_, i) => create(DecisionSchema, { procedure: `/acme.v1.Service/Method${i}` }));
  const kept = withDecisions(nothingKept, create(WatchDecisionsResponseSchema, { decisions }), now);
  const show = (of: typeof kept) => <DecisionTable kept={of} selected="" onSelect={() => {}} />;
  const { rerender } = render(show(kept));
  const button = screen.getByRole("button", { name: `Method${length - 2}` });
  button.focus();
  const after = withDecisions(
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
