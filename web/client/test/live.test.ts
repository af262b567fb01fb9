import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { devSource } from "../src/dev.js";
import { authInterceptor } from "../src/index.js";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { LiveStream } from "../src/react/live.js";
import { Server } from "../../testing/server.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

function identityStream() {
  const source = devSource({ issuer: server.url, persona: "ada" });
  const transport = createConnectTransport({ baseUrl: server.url, interceptors: [authInterceptor(source, server.url)] });
  const stream = new LiveStream(transport, IdentityService.method.watchIdentity, {}, { keep: ({ identity }) => identity !== undefined });
  const shown: string[] = [];
  const show = () => void shown.push(`${stream.snapshot().message?.identity?.subject} ${stream.snapshot().status.state}`);
  return { stream, shown, listen: () => stream.listen({ changed: show }) };
}

test("a stream is open with its first message, and not before", async () => {
  const { shown, listen } = identityStream();
  const stop = listen();
  await vi.waitUntil(() => shown.includes("user_ada open"), 60_000);
  expect(shown).not.toContain("undefined open");
  stop();
});

test("who listens after everybody has left finds it opening, and not what was there", async () => {
  const { stream, shown, listen } = identityStream();
  const stop = listen();
  await vi.waitUntil(() => shown.includes("user_ada open"), 60_000);
  stop();
  await vi.waitUntil(() => stream.snapshot().message === undefined, 60_000);
  expect(stream.snapshot().status.state).toBe("opening");
  listen()();
});

test("a stream that was to be opened anew while nobody listens is opened for the next who does", async () => {
  const { stream, shown, listen } = identityStream();
  const stop = listen();
  await vi.waitUntil(() => shown.includes("user_ada open"), 60_000);
  stop();
  stream.restart();
  shown.length = 0;
  const stopAgain = listen();
  await vi.waitUntil(() => shown.includes("user_ada open"), 60_000);
  stopAgain();
});
