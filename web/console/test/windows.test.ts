import type { BrowserContext, Page, Request } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { hide } from "./window.js";

/** As many windows as a browser has no connections for: it has six to a server over HTTP/1.1. */
const many = 10;

describe.skipIf(withoutChromium)("ten windows of a browser, over HTTP/1.1", () => {
  const stage = staged();

  async function openAll(context: BrowserContext, open: (page: Page, i: number) => Promise<void>) {
    const streams = new Map<string, number>();
    const pages: Page[] = [];
    for (let i = 0; i < many; i++) {
      const page = await context.newPage();
      const requests = new Set<Request>();
      const count = (request: Request, change: number) => {
        const method = request.url().slice(request.url().lastIndexOf("/") + 1);
        if (method.startsWith("Watch")) {
          streams.set(method, (streams.get(method) ?? 0) + change);
        }
      };
      const begun = (request: Request) => {
        requests.add(request);
        count(request, 1);
      };
      const over = (request: Request) => requests.delete(request) && count(request, -1);
      page.on("request", begun);
      page.on("requestfinished", over);
      page.on("requestfailed", over);
      page.on("close", () => [...requests].forEach(over)); // of a page that is closed, their end is not always said
      await page.goto(`${stage.server.url}/sessions`);
      await open(page, i);
      pages.push(page);
    }
    return { pages, streams };
  }

  test("share one stream if they are of the same session, and another window takes over when its reader is closed", async () => {
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    const first = await context.newPage();
    await first.goto(stage.server.url);
    await first.getByRole("button", { name: "Sign in as ada" }).click();
    await first.getByText("WatchIdentity is open").waitFor();
    const remembered = await first.evaluate(() => sessionStorage.getItem("ostiary.persona") ?? "");
    await first.close();
    // As when a tab is duplicated.
    await context.addInitScript((text) => sessionStorage.setItem("ostiary.persona", text), remembered);
    const { pages, streams } = await openAll(context, (page) => page.getByText("live", { exact: true }).waitFor());
    await expect
      .poll(() => [...streams])
      .toEqual([
        ["WatchIdentity", 0],
        ["WatchSessions", 1],
      ]);
    await stage.server.call("ben", { sid: "sess_for_all" });
    await Promise.all(pages.map((page) => page.getByRole("button", { name: "1 new" }).waitFor()));
    await pages.shift()?.close(); // the first has read for all
    await expect.poll(() => streams.get("WatchSessions")).toBe(1);
    await stage.server.call("ben", { sid: "sess_for_the_others" });
    await Promise.all(pages.map((page) => page.getByRole("button", { name: "2 new" }).waitFor()));
    await context.close();
  });

  test("leave connections for calls if they are of different sessions, and hear of the end of their session", async () => {
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    const users = ["ada", "ben"];
    const { pages, streams } = await openAll(context, async (page, i) => {
      await page.getByRole("button", { name: `Sign in as ${users[i % 2]}` }).click();
      await page.getByText("this window").waitFor();
    });
    await expect.poll(() => streams.get("WatchSessions")).toBe(3);
    const live = await Promise.any(
      pages.map(async (page, i) => {
        await page.getByText("live", { exact: true }).waitFor();
        return i;
      }),
    );
    const session = await pages[live]!.evaluate(() => JSON.parse(sessionStorage.getItem("ostiary.persona") ?? "{}").session);
    const last = pages[many - 2 + (live % 2)]!; // of the same user
    await last.getByText("too many windows are open").waitFor();
    await last.getByRole("button", { name: `End the session of user_${users[live % 2]}, ${session}` }).click();
    await last.getByRole("button", { name: "End the session", exact: true }).click();
    await pages[live]!.getByText("Your session was ended.").waitFor();
    await context.close();
  });

  test("show what a list says that was read after the stream has stopped", async () => {
    const { server } = stage;
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    const open = async () => {
      const page = await context.newPage();
      await page.goto(`${server.url}/sessions?q=sess_waiting`);
      await page.getByRole("button", { name: "Sign in as ada" }).click();
      await page.getByText("live", { exact: true }).waitFor();
      return page;
    };
    const first = await open();
    await server.call("ben", { sid: "sess_waiting" });
    await first.getByRole("button", { name: "1 new" }).click(); // as the stream says
    const row = first.getByRole("row", { name: "sess_waiting" });
    await row.getByText("active", { exact: true }).waitFor();
    await hide(first, true);
    for (let i = 0; i < 3; i++) {
      await open(); // as many streams as there may be
    }
    await hide(first, false);
    await first.getByText("too many windows are open").waitFor();
    await server.revoke("ada", "sess_waiting", "user_ben");
    await row.getByText("ended", { exact: true }).waitFor();
    await context.close();
  });
});
