import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { SessionService } from "../src/gen/ostiary/session/v1/session_pb.js";
import { devSource } from "../src/dev.js";
import { authInterceptor, reasonOf, functionSource, resumable, type StreamState } from "../src/index.js";
import { Proxy } from "../../testing/proxy.js";
import { Server } from "../../testing/server.js";
import { expired, identityClient, Tokens } from "./helpers.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

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

test("a token that nothing can replace is the end of it, and not asked for again and again", async () => {
  const token = await server.token("ada", expired());
  const client = identityClient(server.url, authInterceptor(functionSource(() => token), server.url));
  const states: StreamState[] = [];
  const stream = resumable((call) => client.watchIdentity({}, call), { signal: undefined, onState: (state) => states.push(state) });
  expect(await stream.next().catch(reasonOf)).toBe("TOKEN_EXPIRED");
  expect(states.map(({ state }) => state)).toEqual(["opening", "waiting", "opening"]);
});

test("fresh tokens that are no better are not asked for at once", async () => {
  const old = (jti: string) => server.token("ada", { ...expired(), jti });
  const tokens = new Tokens(await old("1"), await old("2"), await server.token("ada"));
  const client = identityClient(server.url, authInterceptor(tokens, server.url));
  const states: StreamState[] = [];
  for await (const _ of resumable((call) => client.watchIdentity({}, call), { onState: (state) => states.push(state) })) {
    break;
  }
  expect(tokens.asked).toEqual([false, true, true]);
  const [first, second] = states.flatMap((state) => (state.state === "waiting" ? [state.delay] : []));
  expect(first).toBe(0);
  expect(second).toBeGreaterThanOrEqual(250);
});

test("streams that are let in and thrown out again are opened ever more seldom", async () => {
  const stop = new AbortController();
  const delays: number[] = [];
  async function* open() {
    yield "hello";
    throw new ConnectError("go away", Code.Unavailable);
  }
  const onState = (state: StreamState) => {
    if (state.state === "waiting" && delays.push(state.delay) === 3) {
      stop.abort();
    }
  };
  for await (const _ of resumable(open, { signal: stop.signal, onState })) {
  }
  expect(delays[2]).toBeGreaterThanOrEqual(1000);
});

test("a session that is revoked stays so", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const transport = createConnectTransport({ baseUrl: server.url, interceptors: [authInterceptor(source, server.url)] });
  const identity = createClient(IdentityService, transport);
  const sessions = createClient(SessionService, transport);
  const states: StreamState[] = [];
  let error: unknown;
  try {
    for await (const _ of resumable((call) => identity.watchIdentity({}, call), { onState: (state) => states.push(state) })) {
      await sessions.revokeSession({ target: { case: "currentSession", value: {} } });
    }
  } catch (thrown) {
    error = thrown;
  }
  expect(reasonOf(error)).toBe("TOKEN_REVOKED");
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

test("what happened while the stream was down comes after it, when it goes on from its resume_token", async () => {
  const proxy = await Proxy.start(server.url);
  try {
    const source = devSource({ issuer: server.url, persona: "ada" });
    const sessions = createClient(SessionService, createConnectTransport({ baseUrl: proxy.url, interceptors: [authInterceptor(source, proxy.url)] }));
    let { resumeToken } = await sessions.listSessions({});
    const seen: (string | undefined)[] = [];
    let down = false;
    let opened = 0;
    const onState = ({ state }: StreamState) => {
      opened += state === "open" ? 1 : 0;
    };
    for await (const message of resumable((call) => sessions.watchSessions({ resumeToken }, call), { onState })) {
      resumeToken = message.resumeToken;
      seen.push(...message.events.map(({ session }) => session?.session?.sessionId));
      if (seen.includes("sess_missed")) {
        break;
      }
      if (!down) {
        down = true;
        proxy.cut("WatchSessions");
        await server.call("ada", { sid: "sess_missed" });
      }
    }
    expect(opened).toBe(2);
    expect(seen.filter((id) => id === "sess_missed")).toHaveLength(1);
  } finally {
    await proxy.stop();
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
  expect(reasonOf(error)).toBe("TOKEN_MISSING");
  expect(states).toEqual([{ state: "opening" }]);
});

describe("an answer that is not, or not all, the server's", () => {
  const envelope = (flags: number, data: string) => Buffer.from([flags, 0, 0, 0, data.length, ...Buffer.from(data)]);
  const connect = { create: createConnectTransport, contentType: "application/connect+json", message: envelope(0, "{}") };
  const grpcWeb = { create: createGrpcWebTransport, contentType: "application/grpc-web+proto", message: envelope(0, "") };
  const answer = (contentType: string, ...pieces: (string | Buffer)[]) => (response: ServerResponse) => {
    response.setHeader("Content-Type", contentType);
    pieces.forEach((piece) => response.write(piece));
    response.end();
  };
  const page = answer("text/html", "<title>Welcome to our hotel</title>");

  /** Opens streams that are answered one after the other, and returns how they went, by their states and their end. */
  async function watch({ create }: typeof connect | typeof grpcWeb, answers: ((response: ServerResponse) => void)[]) {
    const proxy = createServer((_, response) => answers.shift()?.(response)).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const states: string[] = [];
    try {
      const client = createClient(IdentityService, create({ baseUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }));
      for await (const _ of resumable((call) => client.watchIdentity({}, call), { onState: ({ state }) => states.push(state) })) {
        if (answers.length === 0) {
          break;
        }
      }
      return { states };
    } catch (thrown) {
      return { states, error: ConnectError.from(thrown).rawMessage };
    } finally {
      proxy.close();
      proxy.closeAllConnections();
    }
  }

  test.each([
    ["by Connect, cut between messages", connect, answer(connect.contentType, connect.message)],
    ["by Connect, cut in a message", connect, answer(connect.contentType, connect.message, connect.message.subarray(0, 3))],
    ["by gRPC-Web, cut between messages", grpcWeb, answer(grpcWeb.contentType, grpcWeb.message)],
  ])("is asked for again: %s", async (_, protocol, cut) => {
    expect(await watch(protocol, [cut, cut])).toEqual({ states: ["opening", "open", "waiting", "opening", "open"] });
  });

  test("is asked for again once the stream was open, when it is a page", async () => {
    const cut = answer(connect.contentType, connect.message);
    expect(await watch(connect, [cut, page, cut])).toEqual({ states: ["opening", "open", "waiting", "opening", "waiting", "opening", "open"] });
  });

  test.each([
    ["a page", connect, page, "unsupported content type text/html"],
    ["an empty one by Connect", connect, answer(connect.contentType), "missing EndStreamResponse"],
    ["an empty one by gRPC-Web", grpcWeb, answer(grpcWeb.contentType), "missing trailer"],
  ])("is thrown when it is the first: %s", async (_, protocol, first, error) => {
    expect(await watch(protocol, [first])).toEqual({ states: ["opening"], error });
  });
});
