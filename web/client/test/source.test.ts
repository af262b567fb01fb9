import { expect, test, vi } from "vitest";
import { millisecondsLeft } from "../src/claims.js";
import { functionSource, readClaims } from "../src/index.js";

test("any function is a source", async () => {
  expect(await functionSource(() => null).getToken()).toBeNull();
  expect(await functionSource(async ({ fresh }) => (fresh ? "new" : "old")).getToken({ fresh: true })).toBe("new");
});

test.each([
  ["a claim beyond ASCII", `a.${Buffer.from('{"name":"Zoë"}').toString("base64url")}.c`, { name: "Zoë" }],
  ["no dots", "abc", undefined],
  ["no base64", "a.*.c", undefined],
  ["no JSON", `a.${btoa("hello")}.c`, undefined],
  ["no object", `a.${btoa("1")}.c`, undefined],
  ["a session that is no text", `a.${btoa('{"sid":1}')}.c`, undefined],
  ["a time that is no number", `a.${btoa('{"exp":"soon"}')}.c`, undefined],
])("the claims of a token with %s", (_, token, want) => {
  expect(readClaims(token)).toEqual(want);
});

test.each([
  ["that is half over", { iat: -30, exp: 30 }, { left: 30_000, lifetime: 60_000 }],
  ["of a clock that is far ahead", { iat: 600, exp: 660 }, { left: 60_000, lifetime: 60_000 }],
  ["of a clock that is far behind", { iat: -660, exp: -600 }, { left: 60_000, lifetime: 60_000 }],
  ["without a beginning", { exp: 30 }, { left: 30_000, lifetime: 30_000 }],
  ["without a beginning, that seems to be over", { exp: -30 }, undefined],
  ["without an end", { iat: 0 }, undefined],
])("the time of a token %s", (_, times, want) => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  try {
    const claims = Object.fromEntries(Object.entries(times).map(([name, seconds]) => [name, 1_800_000_000 + seconds]));
    expect(millisecondsLeft(`a.${btoa(JSON.stringify(claims))}.c`)).toEqual(want);
  } finally {
    vi.useRealTimers();
  }
});
