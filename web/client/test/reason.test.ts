import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { backoff } from "../src/backoff.js";
import { retryDelay } from "../src/details.js";
import { fieldViolations, helpLink, isSignedOut, reasonOf, requestId } from "../src/index.js";

const ours = "github.com/ostiary/ostiary";

/** A field of a message: a text, or a message. */
function field(number: number, content: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** A google.rpc.ErrorInfo with a reason, a domain and metadata. */
function errorInfo(reason: string, domain: string): Uint8Array {
  return Buffer.concat([field(1, reason), field(2, domain), field(3, "")]);
}

function failure(...details: { type: string; value: Uint8Array }[]): ConnectError {
  const error = new ConnectError("refused", Code.Unauthenticated);
  error.details.push(...details);
  return error;
}

test.each([
  ["a guard's", "google.rpc.ErrorInfo", errorInfo("TOKEN_EXPIRED", ours), "TOKEN_EXPIRED"],
  ["a service's", "google.rpc.ErrorInfo", errorInfo("SESSION_NOT_FOUND", ours), "SESSION_NOT_FOUND"],
  ["one of a newer server", "google.rpc.ErrorInfo", errorInfo("TOKEN_BORING", ours), "TOKEN_BORING"],
  ["none", "google.rpc.ErrorInfo", errorInfo("", ours), undefined],
  ["somebody else's", "google.rpc.ErrorInfo", errorInfo("TOKEN_EXPIRED", "example.com"), undefined],
  ["another detail", "google.rpc.Help", errorInfo("TOKEN_EXPIRED", ours), undefined],
  ["bytes that are no message", "google.rpc.ErrorInfo", Uint8Array.of(10, 200, 1), undefined],
])("the reason in an error with %s", (_, type, value, want) => {
  expect(reasonOf(failure({ type, value }))).toBe(want);
});

test.each([
  ["TOKEN_REVOKED", true],
  ["TOKEN_EXPIRED", true],
  ["TOKEN_MISSING", true],
  ["AUDIENCE_MISMATCH", false],
  ["PERMISSION_REQUIRED", false],
])("signing in again after %s helps: %s", (reason, want) => {
  expect(isSignedOut(failure({ type: "google.rpc.ErrorInfo", value: errorInfo(reason, ours) }))).toBe(want);
});

test("an error of another kind has no reason, and names no fields", () => {
  for (const thrown of [new Error("TOKEN_EXPIRED"), undefined]) {
    expect(reasonOf(thrown)).toBeUndefined();
    expect(fieldViolations(thrown)).toEqual([]);
    expect(helpLink(thrown)).toBeUndefined();
    expect(requestId(thrown)).toBeUndefined();
  }
});

test.each([
  ["the details", "0123456789abcdef", undefined, "0123456789abcdef"],
  ["the header", undefined, "0af76519-16cd-43dd", "0af76519-16cd-43dd"],
  ["both", "0123456789abcdef", "0af76519-16cd-43dd", "0123456789abcdef"],
  ["neither", undefined, undefined, undefined],
  ["the details, with what is no id", "<b>id</b>", undefined, undefined],
  ["the header, with one that is too long", undefined, "a".repeat(129), undefined],
])("the id of a call in %s", (_, inDetails, inHeader, want) => {
  const entries = inDetails === undefined ? [] : [field(3, Buffer.concat([field(1, "request_id"), field(2, inDetails)]))];
  const error = failure({ type: "google.rpc.ErrorInfo", value: Buffer.concat([errorInfo("TOKEN_EXPIRED", ours), ...entries]) });
  if (inHeader !== undefined) {
    error.metadata.set("x-request-id", inHeader);
  }
  expect(requestId(error)).toBe(want);
});

test("all fields that are not valid are named", () => {
  const violation = (path: string, description: string) => field(1, Buffer.concat([field(1, path), field(2, description), field(3, "REQUIRED")]));
  const value = Buffer.concat([violation("target.session.issuer", "must be set"), violation("cause", "must be one line, not zwölf")]);
  const error = failure(
    { type: "google.rpc.ErrorInfo", value: errorInfo("INVALID_REQUEST", ours) },
    { type: "google.rpc.BadRequest", value },
  );
  expect(fieldViolations(error)).toEqual([
    { field: "target.session.issuer", description: "must be set" },
    { field: "cause", description: "must be one line, not zwölf" },
  ]);
  expect(reasonOf(error)).toBe("INVALID_REQUEST");
});

test("a detail that is no BadRequest names no fields", () => {
  expect(fieldViolations(failure({ type: "google.rpc.BadRequest", value: Uint8Array.of(10, 200, 1) }))).toEqual([]);
});

const link = (description: string, url: string) => field(1, Buffer.concat([field(1, description), field(2, url)]));

test.each([
  ["a link", link("what to do", "https://example.com/help#a"), "https://example.com/help#a"],
  ["a link that is a script, and a good one", Buffer.concat([link("", "javascript:alert(1)"), link("", "https://example.com")]), "https://example.com"],
  ["a link without encryption", link("", "http://example.com"), undefined],
  ["no link", new Uint8Array(), undefined],
  ["bytes that are no message", Uint8Array.of(10, 200, 1), undefined],
])("the help of an error with %s", (_, value, want) => {
  expect(helpLink(failure({ type: "google.rpc.Help", value }))).toBe(want);
});

test.each([
  ["five seconds", field(1, Uint8Array.of(8, 5)), 5_000],
  ["half a second", field(1, Uint8Array.of(16, 128, 202, 181, 238, 1)), 500],
  ["nothing", new Uint8Array(), 0],
  ["bytes that are no message", field(1, Uint8Array.of(8)), 0],
])("a server that asks to wait for %s is given that time", (_, value, want) => {
  const error = failure({ type: "google.rpc.RetryInfo", value });
  expect(retryDelay(error)).toBe(want);
  expect(backoff(1, error)).toBeGreaterThanOrEqual(Math.max(want, 250));
  expect(backoff(1, error)).toBeLessThanOrEqual(Math.max(2 * want, 500));
});
