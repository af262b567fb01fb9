import { Code, type ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, test } from "vitest";
import { devSource } from "../src/dev.js";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { authInterceptor, functionSource, reasonOf, resumable, type TokenSource } from "../src/index.js";
import { Server } from "../../testing/server.js";
import { expired, identityClient, Tokens } from "./helpers.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

/** A client, and the reasons that onSignedOut is called with. */
function watched(source: TokenSource, ...inner: Interceptor[]) {
  const told: unknown[] = [];
  const onSignedOut = (error: ConnectError) => void told.push(reasonOf(error));
  return { told, client: identityClient(server.url, authInterceptor(source, server.url, { onSignedOut }), ...inner) };
}

const failure = (call: Promise<unknown>) => call.then(() => "accepted", reasonOf);

test("a session that was ended is told once, whatever calls follow", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const { told, client } = watched(source);
  await client.whoAmI({});
  await server.revoke("ada", source.session ?? "", "user_ben");
  for (let i = 0; i < 3; i++) {
    expect(await failure(client.whoAmI({}, {}))).toBe("TOKEN_REVOKED");
  }
  await source.getToken({ fresh: true });
  expect(await failure(client.whoAmI({}))).toBe("TOKEN_REVOKED");
  expect(told).toEqual(["TOKEN_REVOKED"]);
});

test("an answer to a call that was sent before the session's end does not have it told again", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const stream = () => failure((async () => { for await (const _ of client.watchIdentity({})); })());
  // Between the answer and its arrival the session ends, as it does for the call that ends it.
  const { told, client } = watched(source, (next) => async (req) => {
    const res = await next(req);
    if (!req.stream) {
      await server.revoke("ada", source.session ?? "", "user_ben");
      expect(await stream()).toBe("TOKEN_REVOKED");
    }
    return res;
  });
  await client.whoAmI({});
  expect(await stream()).toBe("TOKEN_REVOKED");
  expect(told).toEqual(["TOKEN_REVOKED"]);
});

test("a session that was replaced by another is not told of", async () => {
  const old = await server.token("ben", { sid: "sess_old" });
  const { told, client } = watched(new Tokens(old, await server.token("ben", { sid: "sess_new" })));
  const stream = client.watchIdentity({})[Symbol.asyncIterator]();
  await stream.next();
  await client.whoAmI({});
  await server.revoke("ada", "sess_old", "user_ben");
  expect(await failure((async () => { while (!(await stream.next()).done); })())).toBe("TOKEN_REVOKED");
  expect(told).toEqual([]);
});

test("a stream of gRPC-Web that is refused at once tells so", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const told: unknown[] = [];
  const interceptors = [authInterceptor(source, server.url, { onSignedOut: (error) => void told.push(reasonOf(error)) })];
  const client = createClient(IdentityService, createGrpcWebTransport({ baseUrl: server.url, interceptors }));
  await client.whoAmI({});
  await server.revoke("ada", source.session ?? "", "user_ben");
  expect(await failure((async () => { for await (const _ of client.watchIdentity({})); })())).toBe("TOKEN_REVOKED");
  expect(told).toEqual(["TOKEN_REVOKED"]);
});

test("a stream that ends with its session tells so", async () => {
  const source = devSource({ issuer: server.url, persona: "ben" });
  const { told, client } = watched(source);
  const stream = resumable((call) => client.watchIdentity({}, call));
  await stream.next();
  await server.revoke("ada", source.session ?? "", "user_ben");
  expect(await failure((async () => { for await (const _ of stream); })())).toBe("TOKEN_REVOKED");
  expect(told).toEqual(["TOKEN_REVOKED"]);
});

test("a user who signs out is told of, and one who never was signed in is not", async () => {
  const never = watched(new Tokens(null));
  expect(await failure(never.client.whoAmI({}))).toBe("TOKEN_MISSING");
  const { told, client } = watched(new Tokens(await server.token("ada"), null, null));
  await client.whoAmI({});
  expect(told).toEqual([]);
  expect(await failure(client.whoAmI({}))).toBe("TOKEN_MISSING");
  expect(await failure(client.whoAmI({}))).toBe("TOKEN_MISSING");
  expect(told).toEqual(["TOKEN_MISSING"]);
  expect(never.told).toEqual([]);
});

test("a token that has expired is the end only when there is no other", async () => {
  const replaced = watched(new Tokens(await server.token("ada", expired()), await server.token("ada")));
  await replaced.client.whoAmI({});
  expect(replaced.told).toEqual([]);
  const token = await server.token("ada", expired());
  const { told, client } = watched(functionSource(() => token));
  expect(await failure(client.whoAmI({}))).toBe("TOKEN_EXPIRED");
  expect(told).toEqual(["TOKEN_EXPIRED"]);
});

test("a stream whose token has expired tells so only when a fresh one was refused too", async () => {
  const token = await server.token("ada", expired());
  const { told, client } = watched(functionSource(() => token));
  const states: unknown[] = [];
  const stream = resumable((call) => client.watchIdentity({}, call), { onState: ({ state }) => states.push([state, [...told]]) });
  expect(await failure(stream.next())).toBe("TOKEN_EXPIRED");
  expect(states).toEqual([["opening", []], ["waiting", []], ["opening", []]]);
  expect(told).toEqual(["TOKEN_EXPIRED"]);
});

test("the next session is told of again", async () => {
  const { told, client } = watched(new Tokens(await server.token("ada", { sid: "sess_1" }), null, await server.token("ada", { sid: "sess_1" }), null));
  for (const want of ["accepted", "TOKEN_MISSING", "accepted", "TOKEN_MISSING"]) {
    expect(await failure(client.whoAmI({}))).toBe(want);
  }
  expect(told).toEqual(["TOKEN_MISSING", "TOKEN_MISSING"]);
});

test("neither a refusal for another reason nor a source that fails is a session's end", async () => {
  const { told, client } = watched(new Tokens(await server.token("ada", { iss: "https://clerk.example.com" })));
  expect(await failure(client.whoAmI({}))).toBe("ISSUER_UNTRUSTED");
  const failing = watched(functionSource(() => Promise.reject(new Error("closed"))));
  await expect(failing.client.whoAmI({})).rejects.toMatchObject({ code: Code.Unavailable });
  expect([...told, ...failing.told]).toEqual([]);
});
