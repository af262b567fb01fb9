import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { create, createFileRegistry, fromBinary, type Registry, toBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Backends } from "../../testing/backends.js";
import { Server } from "../../testing/server.js";
import { type Callable, isCallable } from "../src/try/schema.js";
import { snippets } from "../src/try/snippets.js";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const run = promisify(execFile);

let backends: Backends;
let server: Server;
let token: string;
let folder: string;
let registry: Registry;
beforeAll(async () => {
  backends = await Backends.start();
  server = await Server.start();
  backends.serve(server.url);
  token = await server.token("ada");
  folder = mkdtempSync(join(here, "backend-"));
  registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(backends.part("shop", "image"))));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([server.stop(), backends.stop()]);
});

function method(service: string, name: string): Callable {
  const found = registry.getService(service)?.methods.find((one) => one.name === name);
  if (found === undefined || !isCallable(found)) {
    throw new Error(`${service} has no method ${name} that can be called`);
  }
  return found;
}

const list = () => method("acme.invoice.v1.InvoiceService", "ListInvoices");
const of = () => ({ url: backends.part("shop", "url"), schema: "shop.binpb" });
const env = () => ({ ...process.env, TOKEN: token });

test("the command for curl works as it is", async () => {
  const { stdout } = await run("sh", ["-c", snippets(list(), "{}", of()).curl], { env: env() });
  expect(JSON.parse(stdout)).toEqual({ customer: "user_ada", invoiceIds: ["inv_1"] });
});

test("the command for buf works as it is, with the schema in a file", { timeout: 600_000 }, async () => {
  const modfile = join(root, "go.check.mod");
  const { stdout: buf } = await run("go", ["tool", `-modfile=${modfile}`, "-n", "buf"], { cwd: root, env: { ...process.env, GOWORK: "off" } });
  const directory = dirname(backends.part("shop", "image"));
  const path = `${dirname(buf.trim())}:${process.env["PATH"]}`;
  const { stdout } = await run("sh", ["-c", snippets(list(), "{}", of())["buf curl"]], { cwd: directory, env: { ...env(), PATH: path } });
  expect(JSON.parse(stdout)).toEqual({ customer: "user_ada", invoiceIds: ["inv_1"] });
});

test.each([
  ["unary", () => list()],
  ["stream", () => method("acme.delivery.v1.DeliveryService", "WatchDeliveries")],
] as const)("the Go file of a %s runs as it is, in a module with the schema's package", { timeout: 300_000 }, async (kind, called) => {
  const file = join(folder, `${kind}.go`);
  writeFileSync(file, snippets(called(), "{}", of()).Go);
  const child = execFile("go", ["run", file], { cwd: join(root, "examples"), env: { ...env(), GOWORK: "off" } });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      said += chunk;
      if (kind === "stream" && said.split("user_ada").length > 3) {
        child.kill("SIGTERM");
        resolve();
      }
    });
    child.stderr?.on("data", (chunk) => (said += chunk));
    child.on("exit", (code) => (code === 0 || kind === "stream" ? resolve() : reject(new Error(said))));
  });
  expect(said).toContain("user_ada");
});

test("the TypeScript file runs as it is, beside the code that is made of the schema", async () => {
  const plugin = join(root, "web/node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es");
  await generate(plugin);
  expect(existsSync(join(folder, "gen/acme/invoice/v1/invoice_pb.ts"))).toBe(true);
  const file = join(folder, "call.ts");
  writeFileSync(file, snippets(list(), "{}", of()).TypeScript);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  vi.stubEnv("TOKEN", token);
  try {
    await import(/* @vite-ignore */ file);
    expect(log.mock.calls[0]?.[0]).toMatchObject({ customer: "user_ada", invoiceIds: ["inv_1"] });
  } finally {
    vi.unstubAllEnvs();
    log.mockRestore();
  }
});

/** Has protoc-gen-es make the code of the schema, as buf generate does. */
async function generate(plugin: string): Promise<void> {
  const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(backends.part("shop", "image")));
  const own = file.filter(({ name }) => !name.startsWith("google/"));
  const request = create(CodeGeneratorRequestSchema, { parameter: "target=ts", fileToGenerate: own.map(({ name }) => name), protoFile: file });
  const child = execFile(process.execPath, [plugin], { encoding: "buffer" });
  const parts: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => parts.push(chunk));
  child.stdin?.end(toBinary(CodeGeneratorRequestSchema, request));
  await new Promise((resolve) => child.on("close", resolve));
  for (const { name = "", content = "" } of fromBinary(CodeGeneratorResponseSchema, Buffer.concat(parts)).file) {
    const path = join(folder, "gen", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}
