import { create, type DescMethod, setExtension } from "@bufbuild/protobuf";
import { MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, Code, ConnectError, createClient, createContextValues, type Interceptor, type StreamRequest, type StreamResponse, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { unlessAborted } from "../src/abort.js";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { rule, RuleSchema, StreamTerms_Lease } from "../src/gen/ostiary/policy/v1/policy_pb.js";
import { SessionService } from "../src/gen/ostiary/session/v1/session_pb.js";
import { devSource } from "../src/dev.js";
import { sentToken } from "../src/intercept.js";
import { authInterceptor, reasonOf, type KeepOptions, keepStreams, resumable, type TokenSource } from "../src/index.js";
import { Server } from "../../testing/server.js";
import { identityClient } from "./helpers.js";
import { Proxy } from "../../testing/proxy.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

test("a stream that is kept outlives its token", async () => {
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "2s" });
  let renewals = 0;
  const { sessions } = kept(source, { onRenewal: () => renewals++ });
  const stop = new AbortController();
  const states: string[] = [];
  for await (const { events } of resumable((call) => sessions.watchSessions({}, call), { signal: stop.signal, onState: ({ state }) => states.push(state) })) {
    // Each renewal of this session is an event of its own. The third comes well
    // after the first token has expired, and the skew has passed.
    if (events.some(({ session }) => session?.session?.sessionId === source.session) && renewals >= 6) {
      stop.abort();
    }
  }
  expect(states).toEqual(["opening", "open"]);
});

test.each([
  ["finds the server away", () => Promise.reject(new ConnectError("away", Code.Unavailable))],
  ["is never answered", (signal: AbortSignal) => unlessAborted(new Promise<never>(() => {}), signal)],
])("a renewal that %s is made again soon, and not when the next would be due", async (_, fail) => {
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "4s" });
  const attempts: number[] = [];
  const { sessions } = kept(source, { beneath: onWhoAmI((signal) => (attempts.push(Date.now()) === 1 ? fail(signal) : undefined)) });
  const stop = new AbortController();
  const states: string[] = [];
  for await (const { events } of resumable((call) => sessions.watchSessions({}, call), { signal: stop.signal, onState: ({ state }) => states.push(state) })) {
    if (events.some(({ session }) => session?.session?.sessionId === source.session) && attempts.length >= 2) {
      stop.abort();
    }
  }
  const [first = 0, second = Infinity] = attempts;
  expect(second - first).toBeLessThan(2500); // tokens are renewed every three seconds
  expect(states).toEqual(["opening", "open"]);
});

test("a stream whose connection is dead ends when the session is revoked", async () => {
  const proxy = await Proxy.start(server.url);
  try {
    const source = devSource({ issuer: server.url, persona: "ben", ttl: "2s" });
    const direct = kept(source).sessions;
    const { identity } = kept(source, { baseUrl: proxy.url });
    const states: string[] = [];
    const watch = resumable((call) => identity.watchIdentity({}, call), { onState: ({ state }) => states.push(state) });
    await watch.next();
    proxy.silence("WatchIdentity");
    await direct.revokeSession({ target: { case: "currentSession", value: {} } });
    expect(await drain(watch).catch(reasonOf)).toBe("TOKEN_REVOKED");
    expect(states).toEqual(["opening", "open"]);
  } finally {
    await proxy.stop();
  }
});

test("when nobody is signed in any more, the streams end", async () => {
  let signedIn = true;
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "2s" });
  const { identity } = kept({ getToken: async (options) => (signedIn ? source.getToken(options) : null) });
  const watch = resumable((call) => identity.watchIdentity({}, call));
  await watch.next();
  signedIn = false;
  expect(await drain(watch).catch(reasonOf)).toBe("TOKEN_MISSING");
});

test("a loop that is left frees its connection, and its lease is renewed no more", async () => {
  const proxy = await Proxy.start(server.url);
  try {
    let renewals = 0;
    const source = devSource({ issuer: server.url, persona: "ada", ttl: "1s" });
    const { identity } = kept(source, { baseUrl: proxy.url, onRenewal: () => renewals++ });
    for await (const _ of resumable((call) => identity.watchIdentity({}, call))) {
      expect(proxy.count("WatchIdentity")).toBe(1);
      break;
    }
    await expect.poll(() => proxy.count("WatchIdentity")).toBe(0);
    await untilRenewed(source);
    expect(renewals).toBe(0);
  } finally {
    await proxy.stop();
  }
});

test("a clock that is ahead, to which every token seems to be about to expire, makes no storm of renewals", async () => {
  let count = 0;
  const source: TokenSource = {
    getToken: () => {
      const now = Math.floor(Date.now() / 1000);
      return server.token("ada", { iat: now - 3, nbf: now - 3, exp: now + 1, jti: `${count++}` });
    },
  };
  const renewed: number[] = [];
  const { identity } = kept(source, { beneath: onWhoAmI(() => void renewed.push(Date.now())) });
  const stop = new AbortController();
  const end = drain(identity.watchIdentity({}, { signal: stop.signal })).catch(() => {});
  await expect.poll(() => renewed.length, { timeout: 10_000 }).toBe(3);
  stop.abort();
  await end;
  const [first = 0, , third = 0] = renewed;
  expect(third - first).toBeGreaterThan(1900); // a quarter of four seconds each
});

test("no renewal is made without a stream", async () => {
  let renewals = 0;
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "1s" });
  const { identity } = kept(source, { onRenewal: () => renewals++ });
  await identity.whoAmI({});
  await untilRenewed(source);
  expect(renewals).toBe(0);
});

describe("as the clock goes on", () => {
  const minute = 60_000;
  const answering = [IdentityService.method.watchIdentity];
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a token that lives for longer than a timer can wait is renewed when three quarters of its time are over", async () => {
    vi.useFakeTimers();
    const day = 24 * 60 * minute;
    const { renewals, open } = fake({ lifetime: 80 * day });
    await open();
    await vi.advanceTimersByTimeAsync(59 * day);
    expect(renewals).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(2 * day);
    expect(renewals).toHaveLength(1);
  });

  test.each([
    ["is denied", () => Promise.reject(new ConnectError("denied", Code.PermissionDenied))],
    ["throws", () => {
      throw new TypeError("identity is undefined");
    }],
    ["brings the same token", async () => {}],
  ])("a renewal that %s is repeated, ever more seldom, and is no storm", async (_, renew) => {
    vi.useFakeTimers();
    const { renewals, open } = fake({ lifetime: 60 * minute, renew, sameToken: true });
    await open();
    await vi.advanceTimersByTimeAsync(45 * minute + 2_000);
    expect(renewals.length).toBeGreaterThanOrEqual(2);
    const before = renewals.length;
    await vi.advanceTimersByTimeAsync(minute);
    expect(renewals.length - before).toBeGreaterThanOrEqual(4);
    expect(renewals.length - before).toBeLessThanOrEqual(14);
  });

  test("a renewal that is refused with UNAUTHENTICATED ends the streams with its error", async () => {
    vi.useFakeTimers();
    const error = new ConnectError("revoked", Code.Unauthenticated);
    const { renewals, open } = fake({ lifetime: minute, renew: () => Promise.reject(error) });
    const { end } = await open();
    await vi.advanceTimersByTimeAsync(minute);
    expect(end.error).toBe(error);
    expect(renewals).toHaveLength(1);
  });

  test("a renewal has a quarter of the token's time, and a second at least", async () => {
    vi.useFakeTimers();
    for (const [lifetime, want] of [[minute, 15_000], [2_000, 1_000]] as const) {
      const { renewals, open } = fake({ lifetime });
      await open();
      await vi.advanceTimersByTimeAsync(lifetime * 0.75);
      expect(renewals.map(({ timeoutMs }) => timeoutMs)).toEqual([want]);
    }
  });

  test.each([
    ["nothing renews", { renew: () => Promise.reject(new ConnectError("away", Code.Unavailable)) }],
    ["is renewed, but that is not heard on the stream", { options: { answering } }],
  ])("a stream whose lease %s ends when the server must have ended it", async (_, faking) => {
    vi.useFakeTimers();
    const { open } = fake({ lifetime: minute, ...faking });
    const { end } = await open();
    await vi.advanceTimersByTimeAsync(minute + 9_000);
    expect(end.error).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(end.error).toMatchObject({ code: Code.Unavailable, rawMessage: "the stream was silent until its lease was over" });
  });

  test.each([
    ["its renewals are answered", {}, false, false],
    ["its messages answer each renewal, and come first", { answering }, true, false],
    ["its messages answer each renewal, and come later", { answering }, false, true],
  ])("a stream goes on when %s", async (_, options, before, after) => {
    vi.useFakeTimers();
    let send = () => {};
    const renew = async () => {
      if (before) {
        send();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const { open } = fake({ lifetime: minute, options, renew });
    const stream = await open();
    send = stream.send;
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(45_500); // each renewal is past
      if (after) {
        send();
      }
    }
    expect(stream.end.error).toBeUndefined();
  });

  test("a stream goes on when its messages come, although no renewal gets through", async () => {
    vi.useFakeTimers();
    const { open } = fake({ lifetime: minute, renew: () => Promise.reject(new ConnectError("away", Code.Unavailable)) });
    const { end, send } = await open();
    for (let i = 0; i < 30; i++) {
      await vi.advanceTimersByTimeAsync(9_000);
      send();
    }
    expect(end.error).toBeUndefined();
  });

  test.each([
    ["has no token", { contextValues: createContextValues() }],
    ["outlives its token, as the schema has it", { method: decidedAtOpen() }],
  ])("a stream that %s is left alone", async (_, request) => {
    vi.useFakeTimers();
    const { renewals, open } = fake({ lifetime: minute });
    const { end } = await open(request);
    await vi.advanceTimersByTimeAsync(10 * minute);
    expect(end.error).toBeUndefined();
    expect(renewals).toHaveLength(0);
  });
});

test("a call with an Authorization header of its own is no reason to stop renewing", async () => {
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "2s" });
  let renewals = 0;
  const { identity } = kept(source, { onRenewal: () => renewals++ });
  const stream = identity.watchIdentity({});
  await stream[Symbol.asyncIterator]().next();
  await expect(identity.whoAmI({}, { headers: { Authorization: "Bearer opaque" } })).rejects.toThrow();
  await expect.poll(() => renewals).toBeGreaterThanOrEqual(2);
});

/** What comes of calls to WhoAmI beneath the keeper: the server's answer where it is given none. */
function onWhoAmI(answer: (signal: AbortSignal) => Promise<never> | undefined | void): Interceptor {
  return (next) => async (req) => {
    if (req.method.name === "WhoAmI") {
      await answer(req.signal);
    }
    return next(req);
  };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream) {
  }
}

/** Waits until a source's token was due to be renewed. */
async function untilRenewed(source: TokenSource): Promise<void> {
  const first = await source.getToken();
  await expect.poll(() => source.getToken()).not.toBe(first);
}

interface Keeping {
  baseUrl?: string;
  onRenewal?: () => void;
  beneath?: Interceptor;
}

/** Clients whose streams are kept. */
function kept(source: TokenSource, { baseUrl = server.url, onRenewal, beneath = (next) => next }: Keeping = {}) {
  const keep = keepStreams((call) => {
    onRenewal?.();
    return identity.whoAmI({}, call);
  });
  const interceptors: Interceptor[] = [authInterceptor(source, baseUrl), keep, beneath];
  const identity: Client<typeof IdentityService> = identityClient(baseUrl, ...interceptors);
  return { identity, sessions: createClient(SessionService, createConnectTransport({ baseUrl, interceptors })) };
}

interface Faking {
  lifetime: number;
  options?: KeepOptions;
  renew?: () => Promise<unknown>;
  /** Every call has the token of the stream. */
  sameToken?: boolean;
}

/** A keeper between calls that nobody answers, and streams that bring what they are told. */
function fake({ lifetime, options, renew = async () => {}, sameToken = false }: Faking) {
  const renewals: CallOptions[] = [];
  const began = Date.now();
  const bearer = () => {
    const now = (sameToken ? began : Date.now()) / 1000;
    return createContextValues().set(sentToken, `a.${btoa(JSON.stringify({ iat: now, exp: now + lifetime / 1000 }))}.c`);
  };
  const interceptor = keepStreams(async (call) => {
    renewals.push(call);
    const next = async () => {
      await renew();
      return { stream: false } as UnaryResponse;
    };
    await interceptor(next)({ stream: false, contextValues: bearer() } as UnaryRequest);
  }, options);
  const open = async ({ contextValues = bearer(), method = IdentityService.method.watchIdentity as DescMethod } = {}) => {
    let send = () => {};
    const message = (async function* () {
      for (;;) {
        yield await new Promise<void>((resolve) => (send = resolve));
      }
    })();
    const request = { stream: true, method, contextValues, signal: new AbortController().signal };
    const response = await interceptor(async () => ({ stream: true, message }) as unknown as StreamResponse)(request as unknown as StreamRequest);
    const end: { error?: unknown } = {};
    drain((response as StreamResponse).message).catch((error: unknown) => (end.error = error));
    return { end, send: () => send() };
  };
  return { renewals, open };
}

/** WatchIdentity, as if its streams were decided about once. */
function decidedAtOpen(): DescMethod {
  const options = create(MethodOptionsSchema);
  setExtension(options, rule, create(RuleSchema, { access: { case: "authenticated", value: {} }, stream: { lease: StreamTerms_Lease.AT_OPEN } }));
  const method = IdentityService.method.watchIdentity;
  return { ...method, proto: { ...method.proto, options } };
}
