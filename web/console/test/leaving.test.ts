import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { hide, Window } from "./window.js";

describe.skipIf(withoutChromium)("a user who leaves", () => {
  const stage = staged();

  /** Streams of a window that are open now, by method. */
  function watch(page: Page): Map<string, number> {
    const open = new Map<string, number>();
    const count = (url: string, change: number) => {
      const method = url.slice(url.lastIndexOf("/") + 1);
      if (method.startsWith("Watch")) {
        open.set(method, (open.get(method) ?? 0) + change);
      }
    };
    page.on("request", (request) => count(request.url(), 1));
    page.on("requestfinished", (request) => count(request.url(), -1));
    page.on("requestfailed", (request) => count(request.url(), -1));
    return open;
  }

  test("takes the streams of Try along when leaving the page", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    const streams = watch(ada.page);
    await ada.signIn("ada");
    await ada.go("Try");
    await ada.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/WatchSessions");
    await ada.page.getByRole("button", { name: "Send" }).click();
    await ada.page.getByLabel("Message 1").waitFor();
    expect(streams.get("WatchSessions")).toBe(1);
    await ada.go("Me");
    await expect.poll(() => streams.get("WatchSessions")).toBe(0);
    await ada.close();
  });

  test("keeps no stream open in a window that is hidden, and learns of the end when it is seen again", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    const ben = await Window.open(stage.browser, stage.server.url);
    const streams = watch(ben.page);
    await ben.signIn("ben");
    const session = await ben.session();
    await ben.go("Sessions");
    await ben.page.getByText("live", { exact: true }).waitFor();
    await expect
      .poll(() => [...streams])
      .toEqual([
        ["WatchIdentity", 0],
        ["WatchSessions", 1],
      ]); // one stream a window
    await hide(ben.page, true);
    await expect
      .poll(() => [...streams])
      .toEqual([
        ["WatchIdentity", 0],
        ["WatchSessions", 0],
      ]);
    await hide(ben.page, false);
    await ben.page.getByText("live", { exact: true }).waitFor();
    await hide(ben.page, true);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByRole("button", { name: `End the session of user_ben, ${session}` }).click();
    await ada.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ada.row(session).getByText("ended", { exact: true }).waitFor();
    expect(await ben.page.getByText("Your session was ended.").count()).toBe(0);
    await hide(ben.page, false);
    await ben.page.getByText("Your session was ended.").waitFor({ timeout: 4000 });
    await ada.close();
    await ben.close(/401/);
  });

  test("ends the session of another window of the same browser at once, though many are open", async () => {
    const first = await Window.open(stage.browser, stage.server.url);
    await first.signIn("ada");
    await first.go("Sessions");
    await first.page.getByText("live", { exact: true }).waitFor();
    for (const persona of ["ada", "ada", "ada"]) {
      const page = await first.context.newPage();
      await page.goto(stage.server.url);
      await page.getByRole("button", { name: `Sign in as ${persona}` }).click();
      await page.getByRole("navigation").getByRole("link", { name: "Sessions" }).click();
      await page.getByText("live", { exact: true }).waitFor();
      await hide(page, true);
    }
    const ben = await first.context.newPage();
    await ben.goto(stage.server.url);
    await ben.getByRole("button", { name: "Sign in as ben" }).click();
    const session = await ben.locator("dd code", { hasText: /^sess_/ }).innerText();
    await ben.getByText("WatchIdentity is open").waitFor();
    await first.showNew();
    await first.page.getByRole("button", { name: `End the session of user_ben, ${session}` }).click();
    await first.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ben.getByText("Your session was ended.").waitFor({ timeout: 4000 });
    await first.close();
  });

  test("is told of calls that wait", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    let answer = () => {};
    await ada.page.route("**/ListMethodRules", async (route) => {
      await new Promise<void>((resolve) => (answer = resolve));
      await route.continue();
    });
    await ada.go("Access");
    await ada.page.getByText("too many windows of this page are open").waitFor();
    answer();
    await ada.page.getByText("too many windows of this page are open").waitFor({ state: "hidden" });
    await ada.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    await ada.close();
  });

  test("is shown the heading of the page to sign in on", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.page.getByRole("button", { name: "Sign out" }).press("Enter");
    await ada.page.getByText("You have signed out.").waitFor();
    expect(await ada.page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
    await ada.close();
  });

  test.each([
    ["is away", (page: Page) => page.route("**/RevokeSession", (route) => route.abort())],
    ["does not answer", (page: Page) => page.route("**/RevokeSession", () => {})],
  ])("is signed out here when the server %s, and told that it does not know", async (_, prepare) => {
    const ben = await Window.open(stage.browser, stage.server.url);
    await ben.signIn("ben");
    await prepare(ben.page);
    await ben.page.getByRole("button", { name: "Sign out" }).click();
    await ben.page.getByRole("heading", { name: "Sign in" }).waitFor({ timeout: 4000 });
    await ben.page.getByText("The server could not be told: the session ends with its token.").waitFor({ timeout: 20_000 });
    expect(await ben.page.evaluate(() => sessionStorage.length)).toBe(0);
    await ben.close(/net::ERR_/);
  });
});
