import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));
const connectWeb = `
  export { createClient } from "@connectrpc/connect";
  export { createConnectTransport } from "@connectrpc/connect-web";`;

/** The size of a script as browsers load it: bundled, minified and compressed, in bytes. */
async function size(contents: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: source },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["react"],
    logLevel: "error",
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test.each([
  ["the whole client", 'export * from "./index.ts";', 4_000],
  ["the client of a page with Clerk", 'export { authInterceptor, clerkSource, reasonOf } from "./index.ts";', 2_500],
  ["the whole client, with tokens that tabs share", 'export * from "./index.ts"; export * from "./shared.ts";', 4_600],
  ["the whole client and its hooks, with the schema of IdentityService", 'export * from "./index.ts"; export * from "./react/index.ts";', 9_000],
])("%s adds little to connect-web", async (_, contents, budget) => {
  const added = (await size(connectWeb + contents)) - (await size(connectWeb));
  expect(added).toBeGreaterThan(0);
  expect(added).toBeLessThanOrEqual(budget);
});
