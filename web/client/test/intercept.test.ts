import { create, type DescMethodUnary, setExtension } from "@bufbuild/protobuf";
import { MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createContextValues, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { rule, RuleSchema } from "../src/gen/ostiary/policy/v1/policy_pb.js";
import { devSource } from "../src/dev.js";
import { authInterceptor, reasonOf, freshToken, functionSource, TokenSourceError } from "../src/index.js";
import { sentToken } from "../src/intercept.js";
import { isPublic } from "../src/rule.js";
import { Server } from "../../testing/server.js";
import { early, expired, identityClient, Tokens } from "./helpers.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

/** The reason that a call is refused with. */
const outcomeOf = (call: Promise<unknown>) => call.then(() => "accepted", (error: unknown) => reasonOf(error) ?? error);

test("a persona's token is accepted", async () => {
  const source = devSource({ issuer: server.url, persona: "ada" });
  const { identity } = await identityClient(server.url, authInterceptor(source, server.url)).whoAmI({});
  expect(identity?.subject).toBe("user_ada");
  expect(identity?.sessionId).toBe(source.session);
});

test("a source stays in its session, and another signs in anew", async () => {
  const first = devSource({ issuer: server.url, persona: "ben" });
  await first.getToken();
  const session = first.session;
  const second = devSource({ issuer: server.url, persona: "ben" });
  await second.getToken();
  await first.getToken({ fresh: true });
  expect(session).toMatch(/^sess_/);
  expect(first.session).toBe(session);
  expect(second.session).not.toBe(session);
});

test("concurrent calls share one new token", async () => {
  const source = devSource({ issuer: server.url, persona: "ada" });
  expect(new Set(await Promise.all([source.getToken(), source.getToken(), source.getToken()])).size).toBe(1);
});

test("an unknown persona is explained, and nobody waits for it", async () => {
  const error: unknown = await devSource({ issuer: server.url, persona: "eve" }).getToken().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(TokenSourceError);
  expect(error).toMatchObject({
    message: 'the development issuer refuses: unknown persona "eve": use one of ada, ben, cleo, olga, robo',
    permanent: true,
  });
});

test("an issuer that is away may come back", async () => {
  const error: unknown = await devSource({ issuer: "http://127.0.0.1:1", persona: "ada" }).getToken().catch((e: unknown) => e);
  expect(error).toMatchObject({ message: expect.stringMatching(/^the development issuer cannot be reached at http:.*: run ostiary dev there$/), permanent: false });
});

test("nobody signed in is TOKEN_MISSING", async () => {
  expect(await outcomeOf(identityClient(server.url, authInterceptor(new Tokens(null), server.url)).whoAmI({}))).toBe("TOKEN_MISSING");
});

test("an expired token is replaced once by a fresh one", async () => {
  const tokens = new Tokens(await server.token("ada", expired()), await server.token("ada"));
  await identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({});
  expect(tokens.asked).toEqual([false, true]);
});

test("a fresh token that is no better is the end of it", async () => {
  const tokens = new Tokens(await server.token("ada", expired()), await server.token("ada", early()), await server.token("ada"));
  expect(await outcomeOf(identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({}))).toBe("TOKEN_NOT_YET_VALID");
  expect(tokens.asked).toEqual([false, true]);
});

test("a token that is not yet valid is replaced once", async () => {
  const tokens = new Tokens(await server.token("ada", early()), await server.token("ada"));
  await identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({});
  expect(tokens.asked).toEqual([false, true]);
});

test.each([
  ["a malformed token", async () => "abc", "TOKEN_MALFORMED"],
  ["another issuer's token", () => server.token("ada", { iss: "https://clerk.example.com" }), "ISSUER_UNTRUSTED"],
])("%s is not replaced", async (_, token, reason) => {
  const tokens = new Tokens(await token(), await server.token("ada"));
  expect(await outcomeOf(identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({}))).toBe(reason);
  expect(tokens.asked).toEqual([false]);
});

test("a stream is not repeated", async () => {
  const tokens = new Tokens(await server.token("ada", expired()), await server.token("ada"));
  const stream = identityClient(server.url, authInterceptor(tokens, server.url)).watchIdentity({});
  const first = stream[Symbol.asyncIterator]().next();
  expect(await outcomeOf(first)).toBe("TOKEN_EXPIRED");
  expect(tokens.asked).toEqual([false]);
});

test("a source that fails makes the call UNAVAILABLE, and says what it is", async () => {
  const cause = new Error("the sign-in service is closed");
  const error = await failureWith(() => Promise.reject(cause));
  expect(error.code).toBe(Code.Unavailable);
  expect(error.rawMessage).toBe("the token source failed: the sign-in service is closed");
  expect(error.cause).toBeInstanceOf(TokenSourceError);
  expect((error.cause as TokenSourceError).cause).toBe(cause);
});

test("a source that fails for good makes the call UNAUTHENTICATED", async () => {
  const cause = new TokenSourceError("the account is closed", { permanent: true });
  const error = await failureWith(() => Promise.reject(cause));
  expect(error.code).toBe(Code.Unauthenticated);
  expect(error.cause).toBe(cause);
});

test.each([
  [404, Code.Unauthenticated],
  [429, Code.Unavailable],
  [503, Code.Unavailable],
])("a source that fails with the HTTP status %i, as Clerk does, makes the call %i", async (status, code) => {
  expect((await failureWith(() => Promise.reject(Object.assign(new Error("no such template"), { status })))).code).toBe(code);
});

test("a server that is away is no failure of the source", async () => {
  const error = ConnectError.from(await identityClient("http://127.0.0.1:1", authInterceptor(new Tokens("a.b.c"), "http://127.0.0.1:1")).whoAmI({}).catch((e: unknown) => e));
  expect(error.cause).toBeInstanceOf(TypeError);
});

test.each([
  ["its time is up", () => ({ timeoutMs: 50 }), Code.DeadlineExceeded],
  ["it is aborted", () => ({ signal: AbortSignal.timeout(50) }), Code.Canceled],
])("a call waits for its token no longer than until %s", async (_, options, code) => {
  for (const fresh of [false, true]) {
    const contextValues = createContextValues().set(freshToken, fresh);
    const client = identityClient(server.url, authInterceptor(functionSource(() => new Promise(() => {})), server.url));
    await expect(client.whoAmI({}, { ...options(), contextValues })).rejects.toMatchObject({ code });
  }
});

test("a fresh token that never came is asked for anew", async () => {
  const answers = [new Promise<string>(() => {}), server.token("ada")];
  const client = identityClient(server.url, authInterceptor(functionSource(() => answers.shift() ?? null), server.url));
  const call = () => ({ contextValues: createContextValues().set(freshToken, true) });
  await expect(client.whoAmI({}, { ...call(), timeoutMs: 200 })).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  await client.whoAmI({}, call());
});

test("calls that are refused together share one fresh token", async () => {
  const old = await server.token("ada", expired());
  let count = 0;
  const source = functionSource(({ fresh }) => (fresh ? (count++, server.token("ada")) : old));
  const client = identityClient(server.url, authInterceptor(source, server.url));
  await Promise.all(Array.from({ length: 20 }, () => client.whoAmI({})));
  expect(count).toBe(1);
});

test("clients with the same source share one fresh token", async () => {
  const old = await server.token("ada", expired());
  let count = 0;
  const source = functionSource(({ fresh }) => (fresh ? (count++, server.token("ada")) : old));
  await Promise.all([1, 2, 3].map(() => identityClient(server.url, authInterceptor(source, server.url)).whoAmI({})));
  expect(count).toBe(1);
});

test("a call that is refused late takes the token that others have had since", async () => {
  const tokens = new Tokens(await server.token("ada", expired()), await server.token("ada"));
  let release = () => {};
  const hold: Interceptor = (next) => async (req) => {
    if (req.header.has("Hold") && tokens.asked.length === 1) {
      await new Promise<void>((resolve) => (release = resolve));
    }
    return next(req);
  };
  const client = identityClient(server.url, authInterceptor(tokens, server.url), hold);
  const late = client.whoAmI({}, { headers: { Hold: "yes" } });
  await expect.poll(() => tokens.asked).toHaveLength(1);
  await client.whoAmI({});
  release();
  await late;
  expect(tokens.asked).toEqual([false, false]);
});

test.each([["undefined", undefined], ["an empty text", ""]])("%s in place of a token is nobody signed in", async (_, token) => {
  const source = functionSource(() => token as string | null);
  expect(await outcomeOf(identityClient(server.url, authInterceptor(source, server.url)).whoAmI({}))).toBe("TOKEN_MISSING");
});

test("a token that no header can carry is not shown to anybody", async () => {
  const error = await failureWith(async () => "secret\nsecret");
  expect(error.code).toBe(Code.Unauthenticated);
  expect(error.rawMessage).toBe("the token source failed: its token cannot be sent in a header");
  expect(`${error.stack} ${(error.cause as Error).stack}`).not.toContain("secret");
  expect((error.cause as Error).cause).toBeUndefined();
});

test("a relative address is understood when it is called, not before", async () => {
  const interceptor = authInterceptor(new Tokens("a.b.c"), "/api"); // as on a server that makes pages
  vi.stubGlobal("location", new URL("https://app.example.com/invoices"));
  try {
    let sent: string | null = null;
    const call = interceptor(async (req) => {
      sent = req.header.get("Authorization");
      throw new ConnectError("enough");
    });
    const request = { method: IdentityService.method.whoAmI, url: "/api/x", header: new Headers(), contextValues: createContextValues(), signal: new AbortController().signal };
    await call(request as unknown as Parameters<typeof call>[0]).catch(() => undefined);
    expect(sent).toBe("Bearer a.b.c");
  } finally {
    vi.unstubAllGlobals();
  }
});

test("an issuer that never answers is given up", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
    const soon = new AbortController();
    setTimeout(() => soon.abort(), 50);
    return soon.signal;
  });
  try {
    const issuer = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    await expect(devSource({ issuer, persona: "ada" }).getToken()).rejects.toThrow("the development issuer cannot be reached");
  } finally {
    timeout.mockRestore();
    silent.close();
    silent.closeAllConnections();
  }
});

/** The error of a call whose tokens come from such a function. */
async function failureWith(get: () => Promise<string>): Promise<ConnectError> {
  const client = identityClient(server.url, authInterceptor(functionSource(get), server.url));
  const error: unknown = await client.whoAmI({}).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

test("the caller can ask for a fresh token", async () => {
  const tokens = new Tokens(await server.token("ada"));
  await identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({}, { contextValues: createContextValues().set(freshToken, true) });
  expect(tokens.asked).toEqual([true]);
});

test("a header of the caller's own stays", async () => {
  const tokens = new Tokens("never.asked.for");
  await identityClient(server.url, authInterceptor(tokens, server.url)).whoAmI({}, {
    headers: { Authorization: `Bearer ${await server.token("robo")}` },
  });
  expect(tokens.asked).toEqual([]);
});

test("context values that are used again hold the token of no call before", async () => {
  const tokens = new Tokens("first.of.all", null, "third.of.all");
  const contextValues = createContextValues();
  const held: (string | null)[] = [];
  const note: Interceptor = (next) => (req) => {
    held.push(req.contextValues.get(sentToken));
    return next(req);
  };
  const client = identityClient(server.url, authInterceptor(tokens, server.url), note);
  const own = { Authorization: `Bearer ${await server.token("robo")}` };
  for (const headers of [{}, {}, {}, own]) {
    await client.whoAmI({}, { contextValues, headers }).catch(() => undefined); // the tokens are none that the server accepts
  }
  expect(held).toEqual(["first.of.all", null, "third.of.all", null]);
});

/** Notes the Authorization header of what comes by, and answers by itself. */
function notes(baseUrl: string, redirect?: string) {
  const sent: (string | null)[] = [];
  const elsewhere: Interceptor = (next) => (req) => next(redirect === undefined ? req : { ...req, url: redirect });
  const note: Interceptor = (next) => (req) => {
    sent.push(req.header.get("Authorization"));
    return next(req);
  };
  const transport = createRouterTransport(({ service }) => service(IdentityService, { whoAmI: () => ({}) }), {
    transport: { baseUrl, interceptors: [elsewhere, authInterceptor(functionSource(() => "a.b.c"), "https://api.example.com"), note] },
  });
  return { sent, client: createClient(IdentityService, transport) };
}

test.each([
  ["its own origin", "https://api.example.com/v1", undefined, "Bearer a.b.c"],
  ["another host", "https://evil.example.com", undefined, null],
  ["another port", "https://api.example.com:8443", undefined, null],
  ["another scheme", "http://api.example.com", undefined, null],
  ["another origin on the way", "https://api.example.com", "https://evil.example.com/x", null],
])("a token for %s", async (_, baseUrl, redirect, want) => {
  const { sent, client } = notes(baseUrl, redirect);
  await client.whoAmI({}).catch(() => undefined); // the router knows no such path
  expect(sent).toEqual([want]);
});

test("a method that is public is called without a token", () => {
  expect(isPublic(IdentityService.method.whoAmI)).toBe(false);
  expect(isPublic(publicWhoAmI())).toBe(true);
});

test("a public method is not asked a token for", async () => {
  const tokens = new Tokens("a.b.c");
  let sent: string | null | undefined;
  const call = authInterceptor(tokens, "https://api.example.com")(async (req) => {
    sent = req.header.get("Authorization");
    throw new ConnectError("enough");
  });
  const request = { method: publicWhoAmI(), url: "https://api.example.com/x", header: new Headers(), contextValues: createContextValues() };
  await call(request as unknown as Parameters<typeof call>[0]).catch(() => undefined);
  expect(sent).toBeNull();
  expect(tokens.asked).toEqual([]);
});

/** WhoAmI, as if its schema had made it public. */
function publicWhoAmI(): DescMethodUnary {
  const options = create(MethodOptionsSchema);
  setExtension(options, rule, create(RuleSchema, { access: { case: "public", value: {} } }));
  const method = IdentityService.method.whoAmI;
  return { ...method, proto: { ...method.proto, options } };
}
