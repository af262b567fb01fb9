import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const lowest = fileURLToPath(new URL("client/test/lowest/", import.meta.url));

/** Takes the lowest versions of connect-es that the client allows, in place of those that are installed. */
const atLowest: Plugin = {
  name: "lowest",
  enforce: "pre",
  async resolveId(source) {
    if (!/^@(connectrpc|bufbuild)\//.test(source)) {
      return undefined;
    }
    const found = await this.resolve(source, `${lowest}package.json`, { skipSelf: true });
    if (!found?.id.startsWith(lowest)) {
      throw new Error(`the lowest version of ${source} is not installed: run npm ci in ${lowest}`);
    }
    return found;
  },
};

// Every test talks to the real server, which global-setup.ts builds.
export default defineConfig({
  resolve: { conditions: ["ostiary-source"] },
  ssr: { resolve: { conditions: ["ostiary-source"] } },
  test: {
    globalSetup: ["testing/global-setup.ts"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // They wait for as long as a busy machine takes, and not longer than it takes.
    expect: { poll: { timeout: 60_000 } },
    // A browser for each file at once is more than a small machine has.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "newest", include: ["client/test/**/*.test.ts", "console/test/**/*.test.{ts,tsx}"] } },
      { extends: true, plugins: [atLowest], test: { name: "lowest", include: ["client/test/{resume,signedout,reason}.test.ts"] } },
    ],
  },
});
