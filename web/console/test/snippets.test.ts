import { execFileSync } from "node:child_process";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "../../testing/server.js";
import { snippets } from "../src/try/snippets.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

test("the command for curl works as it is", async () => {
  const env = { ...process.env, TOKEN: await server.token("ada") };
  const { listSessions } = SessionService.method;
  const answer = execFileSync("sh", ["-c", snippets(listSessions, `{"filter": {"subject": "it's ada"}}`, server.url).curl], { env });
  expect(JSON.parse(answer.toString())).toEqual({ resumeToken: expect.any(String), currentSession: expect.objectContaining({ subject: "user_ada" }) });
});

test("a stream is left to buf", () => {
  const { watchSessions } = SessionService.method;
  expect(snippets(watchSessions, "{}", "https://api.example.com").curl).toBe(
    "# curl cannot frame a stream of Connect; buf can.\n" +
      'buf curl --protocol grpc -H "Authorization: Bearer $TOKEN" \\\n' +
      "  -d '{}' https://api.example.com/ostiary.session.v1.SessionService/WatchSessions",
  );
});

test("the Go code names the generated packages", () => {
  const { revokeSession } = SessionService.method;
  expect(snippets(revokeSession, '{"cause": "a `test`"}', "https://api.example.com").Go).toBe(
    `source := auth.StaticToken(os.Getenv("TOKEN"))
client := sessionv1connect.NewSessionServiceClient(http.DefaultClient, "https://api.example.com",
\tconnectauth.WithToken("https://api.example.com", source))
request := new(sessionv1.RevokeSessionRequest)
err := protojson.Unmarshal([]byte(\`{"cause":"a \` + "\`" + \`test\` + "\`" + \`"}\`), request)
response, err := client.RevokeSession(ctx, request)`,
  );
});
