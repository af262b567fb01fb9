import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("a user whose sessions were all ended", () => {
  const stage = staged();

  test("is told how long a new sign-in waits, and then goes on without signing in again", async () => {
    const { server, browser } = stage;
    await server.call("ben", {}, "session.v1.SessionService/RevokeSubject", { currentSubject: {} });
    const ben = await Window.open(browser, server.url);
    await ben.page.getByRole("button", { name: "Sign in as ben" }).click();
    await ben.page.getByText("This page goes on by itself when the server accepts new sign-ins.").waitFor();
    expect(await ben.page.getByRole("timer").innerText()).toMatch(/^[1-9]\d* seconds? to go$/);
    expect(await ben.barriers()).toEqual([]);
    await ben.page.getByTestId("caller").getByText("_ben").waitFor();
    await ben.page.getByText("WatchIdentity is open").waitFor();
    await ben.close(/401/);
  });

  test("goes on when the issuer answers again, which was away when the wait was over", async () => {
    const { server, browser } = stage;
    await server.call("ben", {}, "session.v1.SessionService/RevokeSubject", { currentSubject: {} });
    const ben = await Window.open(browser, server.url);
    await ben.page.getByRole("button", { name: "Sign in as ben" }).click();
    await ben.page.getByRole("timer").waitFor();
    const failed = ben.page.waitForEvent("requestfailed", (request) => request.url().endsWith("/dev/token"));
    await ben.page.route("**/dev/token", (route) => route.abort());
    await failed;
    await ben.page.getByRole("timer").waitFor();
    await ben.page.unroute("**/dev/token");
    await ben.page.getByText("WatchIdentity is open").waitFor();
    await ben.close(/401|net::ERR_/);
  });

  test("can leave instead of waiting", async () => {
    const { server, browser } = stage;
    await server.call("ben", {}, "session.v1.SessionService/RevokeSubject", { currentSubject: {} });
    const ben = await Window.open(browser, server.url);
    await ben.page.getByRole("button", { name: "Sign in as ben" }).click();
    await ben.page.getByRole("timer").waitFor();
    await ben.page.getByRole("button", { name: "Sign out" }).click();
    await ben.page.getByRole("heading", { name: "Sign in" }).waitFor();
    await ben.close(/401/);
  });
});
