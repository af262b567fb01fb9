import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Server } from "../../testing/server.js";
import { snippets } from "../src/try/snippets.js";

const here = dirname(fileURLToPath(import.meta.url));

let server: Server;
let token: string;
let folder: string;
beforeAll(async () => {
  server = await Server.start();
  token = await server.token("ada");
  folder = mkdtempSync(join(here, "snippets-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

const { listSessions, watchSessions, revokeSession } = SessionService.method;
const body = `{"filter": {"subject": "it's ada"}}`;

test("the command for curl works as it is", () => {
  const env = { ...process.env, TOKEN: token };
  const answer = execFileSync("sh", ["-c", snippets(listSessions, body, { url: server.url }).curl], { env });
  expect(JSON.parse(answer.toString())).toEqual({ resumeToken: expect.any(String), currentSession: expect.objectContaining({ subject: "user_ada" }) });
});

test("the Go file runs as it is", { timeout: 300_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "ostiary-go-"));
  try {
    const file = join(directory, "main.go");
    writeFileSync(file, snippets(listSessions, body, { url: server.url }).Go);
    const { stdout } = await promisify(execFile)("go", ["run", file], { cwd: join(here, "../../.."), env: { ...process.env, GOWORK: "off", TOKEN: token } });
    expect(JSON.parse(stdout)).toMatchObject({ currentSession: { subject: "user_ada" } });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the TypeScript file runs as it is", async () => {
  const file = join(folder, "call.ts");
  writeFileSync(file, snippets(listSessions, body, { url: server.url }).TypeScript);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  vi.stubEnv("TOKEN", token);
  try {
    await import(/* @vite-ignore */ file);
    expect(log.mock.calls[0]?.[0]).toMatchObject({ currentSession: { owner: { value: "user_ada" } } });
  } finally {
    vi.unstubAllEnvs();
    log.mockRestore();
  }
});

test("a stream is left to buf", () => {
  expect(snippets(watchSessions, "{}", { url: "https://api.example.com" }).curl).toBe(
    "# curl cannot frame a stream of Connect; buf can.\n" +
      'buf curl --protocol grpc -H "Authorization: Bearer $TOKEN" \\\n' +
      "  -d '{}' https://api.example.com/ostiary.session.v1.SessionService/WatchSessions",
  );
});

test("where there is a development issuer, a command gets the token of the persona", () => {
  const all = snippets(listSessions, "", { url: "http://localhost:8080", persona: "ada" });
  const command = "TOKEN=$(ostiary token mint --as ada --server http://localhost:8080)\n";
  expect(all.curl).toMatch(`${command}curl -s `);
  expect(all.grpcurl).toBe(
    `${command}grpcurl -plaintext -H "Authorization: Bearer $TOKEN" \\\n  -d '{}' localhost:8080 ostiary.session.v1.SessionService/ListSessions`,
  );
  expect(all.Go).toMatch(`// export ${command}// go run .\npackage main\n`);
});

test("nobody calls without a token", () => {
  for (const text of Object.values(snippets(listSessions, "{}", { url: "https://api.example.com", anonymous: true }))) {
    expect(text).not.toMatch(/TOKEN|authInterceptor|authclient|Bearer/);
  }
});

test("the texts of a body stay what they are", () => {
  const { Go } = snippets(revokeSession, '{"cause": "a `test`"}', { url: "https://api.example.com" });
  expect(Go).toContain('protojson.Unmarshal([]byte(`{"cause":"a ` + "`" + `test` + "`" + `"}`), request)');
});
