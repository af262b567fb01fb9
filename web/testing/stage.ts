import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { launch } from "./browser.js";
import { Server } from "./server.js";

/** What the tests of a console play on. */
export interface Stage {
  browser: Browser;
  server: Server;
}

/** Starts a browser and a server for the tests of a `describe`, and stops both after them. */
export function staged(start: () => Promise<Server> = () => Server.start()): Stage {
  const stage = {} as Stage;
  beforeAll(async () => {
    [stage.browser, stage.server] = await Promise.all([launch(), start()]);
  });
  afterAll(async () => {
    await stage.browser?.close();
    await stage.server?.stop();
  });
  return stage;
}
