import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SessionService, SessionState } from "../src/gen/ostiary/session/v1/session_pb.js";
import { devSource } from "../src/dev.js";
import { authInterceptor, fieldViolations, helpLink, reasonOf } from "../src/index.js";
import { Server } from "../../testing/server.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

function sessionsOf(persona: string) {
  const source = devSource({ issuer: server.url, persona });
  return createClient(SessionService, createConnectTransport({ baseUrl: server.url, interceptors: [authInterceptor(source, server.url)] }));
}

test.each([
  ["nothing", {}, ["target"]],
  ["a session without its name", { target: { case: "session" as const, value: {} } }, ["session.issuer", "session.session_id", "session.subject"]],
])("a request that names %s ends nothing, and the error says which fields are wrong", async (_, request, fields) => {
  const sessions = sessionsOf("ada");
  const error: unknown = await sessions.revokeSession(request).catch((thrown: unknown) => thrown);
  expect(reasonOf(error)).toBe("INVALID_REQUEST");
  expect(fieldViolations(error).map(({ field }) => field)).toEqual(fields);
  expect(fieldViolations(error).every(({ description }) => description !== "")).toBe(true);
  const { currentSession: session } = await sessions.listSessions({});
  expect((await sessions.getSession({ session: session! })).session?.state).toBe(SessionState.ACTIVE);
});

test("a session that is not there is told from a refusal", async () => {
  const sessions = sessionsOf("ada");
  const { currentSession } = await sessions.listSessions({});
  const error: unknown = await sessions.getSession({ session: { ...currentSession!, sessionId: "sess_none" } }).catch((thrown: unknown) => thrown);
  expect(reasonOf(error)).toBe("SESSION_NOT_FOUND");
  expect(helpLink(error)).toMatch(/^https:.*troubleshooting\.md#session_not_found$/);
  expect(fieldViolations(error)).toEqual([]);
});
