import { readFileSync } from "node:fs";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { authReason, reasons } from "../src/index.js";

test("the reasons are those of the server", () => {
  const source = readFileSync(new URL("../../../interceptors/auth/reason.go", import.meta.url), "utf8");
  const known = new Set(source.match(/"[A-Z][A-Z_]{5,}"/g)?.map((quoted) => quoted.slice(1, -1)));
  known.delete("UNKNOWN");
  expect([...reasons].sort()).toEqual([...known].sort());
});

/** A google.rpc.ErrorInfo with a reason (1), a domain (2) and metadata (3). */
function errorInfo(reason: string, domain: string): Uint8Array {
  const field = (tag: number, text: string) => [tag, text.length, ...new TextEncoder().encode(text)];
  return Uint8Array.from([...field(10, reason), ...field(18, domain), 26, 0]);
}

test.each([
  ["one of ours", "google.rpc.ErrorInfo", errorInfo("TOKEN_EXPIRED", "ostiary"), "TOKEN_EXPIRED"],
  ["somebody else's", "google.rpc.ErrorInfo", errorInfo("TOKEN_EXPIRED", "example.com"), undefined],
  ["one that is not known", "google.rpc.ErrorInfo", errorInfo("TOKEN_BORING", "ostiary"), undefined],
  ["another detail", "google.rpc.Help", errorInfo("TOKEN_EXPIRED", "ostiary"), undefined],
  ["bytes that are no message", "google.rpc.ErrorInfo", Uint8Array.of(10, 200, 1), undefined],
])("the reason in an error with %s", (_, type, value, want) => {
  const error = new ConnectError("refused", Code.Unauthenticated);
  error.details.push({ type, value });
  expect(authReason(error)).toBe(want);
});

test("an error of another kind has no reason", () => {
  expect(authReason(new Error("TOKEN_EXPIRED"))).toBeUndefined();
  expect(authReason(undefined)).toBeUndefined();
});
