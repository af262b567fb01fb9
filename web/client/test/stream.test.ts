import { type Client, Code, ConnectError, createClient, type Interceptor, type StreamRequest, type StreamResponse } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { SessionService } from "../src/gen/ostiary/session/v1/session_pb.js";
import { authInterceptor, authReason, devSource, keepStreams, resumable, type StreamState, type TokenSource } from "../src/index.js";
import { Server } from "../../testing/server.js";
import { expired, identityClient, Tokens } from "./helpers.js";

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
  for await (const { session } of resumable((call) => sessions.watchSessions({}, call), { signal: stop.signal, onState: ({ state }) => states.push(state) })) {
    // Each renewal of this session is an event of its own. The third comes well
    // after the first token has expired, and the skew has passed.
    if (session?.sessionId === source.session && renewals >= 6) {
      stop.abort();
    }
  }
  expect(states).toEqual(["opening", "open"]);
});

test("a renewal that finds the server away is made again soon, and not when the next would be due", async () => {
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "4s" });
  const attempts: number[] = [];
  const away = answerWhoAmI(() => (attempts.push(Date.now()) === 1 ? new ConnectError("away", Code.Unavailable) : undefined));
  const { sessions } = kept(source, { beneath: away });
  const stop = new AbortController();
  const states: string[] = [];
  for await (const { session } of resumable((call) => sessions.watchSessions({}, call), { signal: stop.signal, onState: ({ state }) => states.push(state) })) {
    if (session?.sessionId === source.session && attempts.length >= 2) {
      stop.abort();
    }
  }
  const [first = 0, second = Infinity] = attempts;
  expect(second - first).toBeLessThan(1500); // tokens are renewed every three seconds
  expect(states).toEqual(["opening", "open"]);
});

test("a renewal that is refused is not made again", async () => {
  let attempts = 0;
  const refuse = answerWhoAmI(() => {
    attempts++;
    return new ConnectError("refused", Code.Unauthenticated);
  });
  const { identity } = kept(devSource({ issuer: server.url, persona: "ada", ttl: "2s" }), { beneath: refuse });
  const end = (async () => {
    for await (const _ of identity.watchIdentity({})) {
    }
  })();
  expect(await end.catch(authReason)).toBe("TOKEN_EXPIRED"); // after seven seconds, with the skew
  expect(attempts).toBe(1);
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
  const { identity } = kept(source, { beneath: answerWhoAmI(() => void renewed.push(Date.now())) });
  const stop = new AbortController();
  const end = (async () => {
    for await (const _ of identity.watchIdentity({}, { signal: stop.signal })) {
    }
  })().catch(() => {});
  await expect.poll(() => renewed.length, { timeout: 10_000 }).toBe(3);
  stop.abort();
  await end;
  const [first = 0, , third = 0] = renewed;
  expect(third - first).toBeGreaterThan(1900); // a quarter of four seconds each
});

test("a token that lives for longer than a timer can wait is renewed when three quarters of its time are over", async () => {
  vi.useFakeTimers();
  try {
    const day = 24 * 60 * 60;
    const now = Math.floor(Date.now() / 1000);
    const token = `a.${btoa(JSON.stringify({ iat: now, exp: now + 80 * day }))}.c`;
    let renewals = 0;
    const open = keepStreams(async () => renewals++)(async () => ({ stream: true, message: (async function* () {})() }) as unknown as StreamResponse);
    await open({ stream: true, header: new Headers({ Authorization: `Bearer ${token}` }) } as StreamRequest);
    await vi.advanceTimersByTimeAsync(59 * day * 1000);
    expect(renewals).toBe(0);
    await vi.advanceTimersByTimeAsync(2 * day * 1000);
    expect(renewals).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

test("no renewal is made without a stream", async () => {
  let renewals = 0;
  const source = devSource({ issuer: server.url, persona: "ada", ttl: "1s" });
  const { identity } = kept(source, { onRenewal: () => renewals++ });
  await identity.whoAmI({});
  const first = await source.getToken();
  while ((await source.getToken()) === first) {
    await new Promise((resolve) => setTimeout(resolve, 50)); // until the token was due to be renewed
  }
  expect(renewals).toBe(0);
});

test("an expired token is replaced when the stream is opened again", async () => {
  const tokens = new Tokens(await server.token("ada", expired()), await server.token("ada"));
  const client = identityClient(server.url, authInterceptor(tokens, server.url));
  const states: StreamState[] = [];
  for await (const { identity } of resumable((call) => client.watchIdentity({}, call), { onState: (state) => states.push(state) })) {
    expect(identity?.subject).toBe("user_ada");
    break;
  }
  expect(tokens.asked).toEqual([false, true]);
  expect(states.map(({ state }) => state)).toEqual(["opening", "waiting", "opening", "open"]);
});

test("a session that is revoked stays so", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const { identity, sessions } = kept(source);
  const states: StreamState[] = [];
  let error: unknown;
  try {
    for await (const _ of resumable((call) => identity.watchIdentity({}, call), { onState: (state) => states.push(state) })) {
      await sessions.revokeSession({});
    }
  } catch (thrown) {
    error = thrown;
  }
  expect(authReason(error)).toBe("TOKEN_REVOKED");
  expect(states.map(({ state }) => state)).toEqual(["opening", "open"]);
});

test("a server that crashes and comes back has its streams again", async () => {
  const own = await Server.start();
  try {
    const client = identityClient(own.url, authInterceptor(devSource({ issuer: own.url, persona: "cleo" }), own.url));
    let opened = 0;
    for await (const { identity } of resumable((call) => client.watchIdentity({}, call))) {
      expect(identity?.subject).toBe("user_cleo");
      if (++opened === 2) {
        break;
      }
      await own.restart();
    }
    expect(opened).toBe(2);
  } finally {
    await own.stop();
  }
});

test("aborting ends the stream without an error", async () => {
  const stop = new AbortController();
  const client = identityClient(server.url, authInterceptor(devSource({ issuer: server.url, persona: "ada" }), server.url));
  for await (const _ of resumable((call) => client.watchIdentity({}, call), { signal: stop.signal })) {
    stop.abort();
  }
});

test("a refusal is thrown, and nothing is opened again", async () => {
  const client = identityClient(server.url, authInterceptor(new Tokens(null), server.url));
  const states: StreamState[] = [];
  const stream = resumable((call) => client.watchIdentity({}, call), { onState: (state) => states.push(state) });
  const error: unknown = await stream.next().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConnectError);
  expect((error as ConnectError).code).toBe(Code.Unauthenticated);
  expect(authReason(error)).toBe("TOKEN_MISSING");
  expect(states).toEqual([{ state: "opening" }]);
});

/** Stands between the clients and the server, and answers WhoAmI with an error where it is given one. */
function answerWhoAmI(answer: () => ConnectError | undefined): Interceptor {
  return (next) => async (req) => {
    const error = req.method.name === "WhoAmI" ? answer() : undefined;
    if (error !== undefined) {
      throw error;
    }
    return next(req);
  };
}

interface Keeping {
  onRenewal?: () => void;
  beneath?: Interceptor;
}

/** Clients whose streams are kept. */
function kept(source: TokenSource, { onRenewal, beneath = (next) => next }: Keeping = {}) {
  const keep = keepStreams((call) => {
    onRenewal?.();
    return identity.whoAmI({}, call);
  });
  const interceptors: Interceptor[] = [authInterceptor(source, server.url), keep, beneath];
  const transport = createConnectTransport({ baseUrl: server.url, interceptors });
  const identity: Client<typeof IdentityService> = identityClient(server.url, ...interceptors);
  return { identity, sessions: createClient(SessionService, transport) };
}
