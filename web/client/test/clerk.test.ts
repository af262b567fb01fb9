import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, test, vi } from "vitest";
import { type ClerkLike, type ClerkSession, clerkSource } from "../src/clerk.js";
import { freshToken, reverifiable, TokenSourceError } from "../src/index.js";

afterEach(() => {
  vi.useRealTimers();
});

/** What Clerk is while it loads, and then. */
class Clerk implements ClerkLike {
  session: ClerkSession;
  readonly listeners = new Set<(resources: { session?: ClerkSession }) => void>();

  constructor(session?: ClerkSession) {
    this.session = session;
  }

  addListener(listener: (resources: { session?: ClerkSession }) => void) {
    this.listeners.add(listener);
    if (this.session !== undefined) {
      listener({ session: this.session });
    }
    return () => void this.listeners.delete(listener);
  }

  set(session: ClerkSession) {
    this.session = session;
    this.listeners.forEach((listener) => listener({ session }));
  }
}

test("a Clerk instance is asked for the token of its session", async () => {
  const getToken = vi.fn(async () => "a.b.c");
  const source = clerkSource(new Clerk({ getToken }), { template: "api" });
  expect(await source.getToken()).toBe("a.b.c");
  expect(await source.getToken({ fresh: true })).toBe("a.b.c");
  expect(getToken.mock.calls).toEqual([[{ template: "api", skipCache: false }], [{ template: "api", skipCache: true }]]);
});

test("without a session Clerk has no token, and with the next one it has", async () => {
  const clerk = new Clerk(null);
  const source = clerkSource(clerk);
  expect(await source.getToken()).toBeNull();
  clerk.set({ getToken: async () => "a.b.c" });
  expect(await source.getToken()).toBe("a.b.c");
});

test.each<[string, ClerkSession, string | null]>([
  ["with a session", { getToken: async () => "a.b.c" }, "a.b.c"],
  ["with nobody signed in", null, null],
])("while Clerk loads, its token is waited for, and it loads %s", async (_, session, want) => {
  const clerk = new Clerk();
  const token = clerkSource(clerk).getToken();
  clerk.set(undefined); // while it changes sessions
  clerk.set(session);
  expect(await token).toBe(want);
  await vi.waitFor(() => expect(clerk.listeners.size).toBe(0));
});

test("a Clerk that never loads is waited for no longer than ten seconds, and named", async () => {
  vi.useFakeTimers();
  const clerk = new Clerk();
  const failed = clerkSource(clerk).getToken().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10_000);
  const error = (await failed) as TokenSourceError;
  expect(error).toBeInstanceOf(TokenSourceError);
  expect(error.message).toMatch(/^Clerk has not loaded within 10 seconds: /);
  expect(error.permanent).toBe(false);
  expect(clerk.listeners.size).toBe(0);
});

/** The error of a call that was refused for a reason. */
function refusal(reason: string): ConnectError {
  const field = (no: number, text: string) => Buffer.concat([Buffer.from([(no << 3) | 2, text.length]), Buffer.from(text)]);
  const error = new ConnectError("refused", Code.PermissionDenied);
  error.details.push({ type: "google.rpc.ErrorInfo", value: Buffer.concat([field(1, reason), field(2, "github.com/ostiary/ostiary")]) });
  return error;
}

/** What Clerk's useReverification does with a function: it calls again once the user has verified who they are. */
async function useReverification<T>(call: () => Promise<T>): Promise<{ hint?: unknown; result: unknown }> {
  const first: unknown = await call();
  const isHint = typeof first === "object" && first !== null && "clerk_error" in first;
  return isHint ? { hint: first.clerk_error, result: await call() } : { result: first };
}

test("a call that needs a reverification is made again, with a fresh token, once Clerk has it", async () => {
  const fresh: (boolean | undefined)[] = [];
  const remove = reverifiable(async ({ contextValues }, id: string) => {
    if (fresh.push(contextValues?.get(freshToken)) === 1) {
      throw refusal("REVERIFICATION_REQUIRED");
    }
    return id;
  }, "strict");
  expect(await useReverification(() => remove("inv_1"))).toEqual({
    hint: { type: "forbidden", reason: "reverification-error", metadata: { reverification: "strict" } },
    result: "inv_1",
  });
  await remove("inv_2");
  expect(fresh).toEqual([false, true, false]);
});

test("any other refusal is thrown", async () => {
  const error = refusal("PERMISSION_REQUIRED");
  await expect(reverifiable(() => Promise.reject(error))()).rejects.toBe(error);
});
