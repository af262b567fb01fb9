import { expect, test, vi } from "vitest";
import { type ClerkLike, clerkSource, functionSource, readClaims } from "../src/index.js";

test("a Clerk instance is asked for the token of its session", async () => {
  const getToken = vi.fn(async () => "a.b.c");
  const source = clerkSource({ session: { getToken } }, { template: "api" });
  expect(await source.getToken()).toBe("a.b.c");
  expect(await source.getToken({ fresh: true })).toBe("a.b.c");
  expect(getToken.mock.calls).toEqual([[{ template: "api", skipCache: false }], [{ template: "api", skipCache: true }]]);
});

test("without a session Clerk has no token, and with the next one it has", async () => {
  const clerk: { session: ClerkLike["session"] } = { session: null };
  const source = clerkSource(clerk);
  expect(await source.getToken()).toBeNull();
  clerk.session = { getToken: async () => "a.b.c" };
  expect(await source.getToken()).toBe("a.b.c");
});

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
])("the claims of a token with %s", (_, token, want) => {
  expect(readClaims(token)).toEqual(want);
});
