import { defineConfig } from "vitest/config";

// Every test talks to the real server, which global-setup.ts builds.
export default defineConfig({
  resolve: { conditions: ["ostiary-source"] },
  ssr: { resolve: { conditions: ["ostiary-source"] } },
  test: {
    include: ["client/test/**/*.test.ts", "console/test/**/*.test.ts"],
    globalSetup: ["testing/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A browser for each file at once is more than a small machine has.
    maxWorkers: 2,
  },
});
