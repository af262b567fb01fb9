import { Code, ConnectError } from "@connectrpc/connect";
import { TokenSourceError } from "@ostiary/client";
import { expect, test } from "vitest";
import { Unreachable } from "../src/api/get.js";
import { PageNotLoaded } from "../src/app/lazy.js";
import { readToken, timeOf } from "../src/token/read.js";
import { trimToken } from "../src/token/trim.js";
import { explain } from "../src/ui/errors.js";
import { sentence, showHidden } from "../src/ui/text.js";
import { browserOf } from "../src/ui/useragent.js";

test.each([
  ["user_ada", "user_ada"],
  ["user_\u202egnp.exe", "user_\\u202egnp.exe"],
  ["a\u200bb", "a\\u200bb"],
  ["{\n\t\u0007}", "{\n\t\\u0007}"],
  ["\u{e0041}", "\\udb40\\udc41"],
])("what cannot be seen in %j is made to be seen", (text, want) => {
  expect(showHidden(text)).toBe(want);
});

test.each([
  ["the call failed", "The call failed."],
  ["https://clerk.example.com/clerk.js cannot be loaded", "https://clerk.example.com/clerk.js cannot be loaded."],
  ["invoice_id is missing", "invoice_id is missing."],
  ["why?", "Why?"],
])("%j becomes a sentence, and a name stays a name", (text, want) => {
  expect(sentence(text)).toBe(want);
});

test("browsers are known by their User-Agent, and others shown as they are", () => {
  expect(browserOf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36")).toBe("Chrome on Linux");
  expect(browserOf("grpc-go/1.70.0\u202e")).toBe("grpc-go/1.70.0\\u202e");
  expect(browserOf("")).toBe("Unknown device");
});

test.each([["Bearer a.b.c"], ["Authorization: Bearer a.b.c"], ['"a.b.c"'], ["\n  'a.\r\n  b.c' "], ["-a.b.c".slice(1)]])("the token in %j is found", (text) => {
  expect(trimToken(text)).toBe("a.b.c");
});

test("a token is read, and what is none is explained", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  expect(readToken(`${part({ alg: "RS256" })}.${part({ sub: "zoë" })}.sig`)).toEqual({ header: { alg: "RS256" }, claims: { sub: "zoë" } });
  expect(readToken("opaque")).toMatch(/no dot/);
  expect(readToken("a.b")).toMatch(/it has one dot, and a JWT has two/);
  expect(readToken("a.b.c.d.e")).toMatch(/JWE/);
  expect(readToken(`${part([])}.${part({})}.sig`)).toMatch(/not JSON/);
  expect(readToken("a.b.c")).toMatch(/not JSON/);
});

test.each([
  ["the server away", new Unreachable("/dev/personas cannot be reached"), "The server cannot be reached."],
  [
    "the server away for a call",
    new ConnectError("failed", Code.Unknown, undefined, undefined, new TypeError("Failed to fetch")),
    "The server cannot be reached.",
  ],
  [
    "the issuer away",
    new ConnectError("no token", Code.Unavailable, undefined, undefined, new TokenSourceError("the issuer cannot be reached")),
    "The issuer cannot be reached.",
  ],
  ["a page that is not there", new PageNotLoaded("the script of this page could not be loaded"), "The script of this page could not be loaded."],
  ["a fault of the page", new TypeError("x is undefined"), "This page has failed: x is undefined."],
  ["a refusal of the server", new ConnectError("the disk is full", Code.Internal), "The disk is full."],
])("%s is not taken for anything else", (_, error, what) => {
  expect(explain(error).what).toBe(what);
});

test.each([
  [0, 0],
  [1.7e9, 1.7e12],
  [-8.64e12, -8.64e15],
  [8.64e12 + 1, undefined],
  [1.7e15, undefined], // microseconds
  [1e20, undefined],
  [Number.POSITIVE_INFINITY, undefined], // of 1e999
  ["1700000000", undefined],
  [undefined, undefined],
])("the time of the claim %o is %o", (claim, time) => {
  expect(timeOf(claim)).toBe(time);
});
