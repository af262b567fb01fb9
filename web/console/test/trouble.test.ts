import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Proxy } from "../../testing/proxy.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("the console and its server", () => {
  const stage = staged();

  test("tells an issuer that is away from a server that is", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada", "3s");
    await ada.page.route("**/dev/token", (route) => route.abort());
    await ada.page.getByText(/^The development issuer cannot be reached at .*: run ostiary dev there\. Trying again…$/).waitFor();
    await ada.page.unroute("**/dev/token");
    await ada.page.getByText("Trying again…").waitFor({ state: "hidden" });
    await ada.page.getByText("WatchIdentity is open").waitFor();
    await ada.close(/net::ERR_/);
  });

  test.each([
    [10, "10 minutes ahead of"],
    [-10, "10 minutes behind"],
  ])("goes by the server's clock where the machine's is %i minutes wrong, and says so", async (minutes, said) => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.page.evaluate((off) => {
      const right = Date.now.bind(Date);
      Date.now = () => right() + off;
    }, minutes * 60_000);
    await cleo.signIn("cleo", "10m");
    await cleo.page.getByText(`This machine's clock is ${said} the server's.`).waitFor();
    await cleo.page.getByText("WatchIdentity is open").waitFor();
    const left = () => cleo.page.getByRole("timer").innerText().then(parseInt);
    await expect.poll(left).toBeGreaterThan(580);
    const before = await left();
    await expect.poll(left, { timeout: 60_000 }).toBeLessThan(before);
    await cleo.close();
  });

  test("says that the machine is offline, and does not wait for ever", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.signIn("cleo");
    await cleo.page.getByText("WatchIdentity is open").waitFor();
    await cleo.context.setOffline(true);
    await cleo.page.getByText("This machine is offline.").waitFor();
    await cleo.go("Access");
    await cleo.page.getByText("The server cannot be reached.").first().waitFor();
    await cleo.context.setOffline(false);
    await cleo.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    await cleo.page.getByText("This machine is offline.").waitFor({ state: "hidden" });
    await cleo.close(/net::ERR_/);
  });

  test("says what to do when the server is away at the very beginning", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.page.route("**/dev/token", (route) => route.abort());
    await cleo.page.getByRole("button", { name: "Sign in as cleo" }).click();
    await cleo.page.getByText("The development issuer cannot be reached at").waitFor();
    await cleo.page.getByText("Check that it is running, then try again.").waitFor();
    await cleo.page.unroute("**/dev/token");
    let answer = () => {};
    await cleo.page.route("**/dev/token", async (route) => {
      await new Promise<void>((resolve) => (answer = resolve));
      await route.continue();
    });
    await cleo.page.getByRole("button", { name: "Sign in as cleo" }).click();
    await cleo.page.getByText("The development issuer cannot be reached at").waitFor({ state: "detached" });
    answer();
    await cleo.page.getByText("WatchIdentity is open").waitFor();
    await cleo.close(/net::ERR_/);
  });

  test("goes on after the tab has slept longer than its token lived", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada", "3s");
    const session = await ada.session();
    const devtools = await ada.context.newCDPSession(ada.page);
    await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
    const asleep = Date.now();
    await expect.poll(() => Date.now() - asleep, { timeout: 60_000 }).toBeGreaterThan(9000); // the lifetime and the skew
    await devtools.send("Page.setWebLifecycleState", { state: "active" });
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(await ada.session()).toBe(session);
    await ada.go("Sessions");
    await ada.page.getByText("this window").waitFor();
    await ada.close();
  });

  test("notice that the stream is dead, though calls get through", async () => {
    const proxy = await Proxy.start(stage.server.url);
    const ben = await Window.open(stage.browser, proxy.url);
    await ben.signIn("ben", "3s");
    const sessionId = await ben.session();
    await ben.page.getByText("WatchIdentity is open").waitFor();
    proxy.silence("WatchIdentity");
    await stage.server.revoke("ada", sessionId, "user_ben");
    await ben.page.getByText("Your session was ended.").waitFor();
    await ben.close(/401/);
    await proxy.stop();
  });

  test("go on with the sessions after a break where they were", async () => {
    const proxy = await Proxy.start(stage.server.url);
    const ada = await Window.open(stage.browser, proxy.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await ada.page.route("**/WatchSessions", (route) => route.abort());
    proxy.cut("WatchSessions");
    await ada.page.getByText("not live", { exact: true }).waitFor();
    await stage.server.call("ben", { sid: "sess_missed" });
    await ada.page.unroute("**/WatchSessions");
    await ada.showNew();
    await ada.row("sess_missed").waitFor();
    await ada.page.getByText("live", { exact: true }).waitFor();
    expect(ada.requests.filter((path) => path.endsWith("/ListSessions"))).toHaveLength(1);
    await ada.close(/net::ERR_/);
    await proxy.stop();
  });

  test("begin with the sessions anew after a restart", async () => {
    const server = await Server.start(); // its own, to be killed
    const ada = await Window.open(stage.browser, server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await server.restart();
    await server.call("ben", { sid: "sess_later" });
    await ada
      .row("sess_later")
      .or(ada.page.getByRole("button", { name: "1 new" }))
      .first()
      .waitFor(); // in the list, or after it
    await ada.page.getByText("live", { exact: true }).waitFor();
    expect(ada.requests.filter((path) => path.endsWith("/ListSessions"))).toHaveLength(2);
    await ada.close(/net::ERR_/);
    await server.stop();
  });

  test("load a page again whose script could not be loaded", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.page.route("**/assets/page-*.js", (route) => route.abort());
    await cleo.signIn("cleo");
    await cleo.page.getByRole("link", { name: "Access" }).click();
    await cleo.page.getByText("The script of this page could not be loaded.").waitFor();
    await cleo.page.unroute("**/assets/page-*.js");
    await cleo.page.getByRole("button", { name: "Try again" }).click();
    await cleo.page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await cleo.close(/net::ERR_|could not be loaded/);
  });

  test("find each other again after a restart", async () => {
    const server = await Server.start(); // its own, to be killed
    const ada = await Window.open(stage.browser, server.url);
    await ada.signIn("ada");
    const session = await ada.session();
    await server.kill();
    await ada.page.getByText("The server cannot be reached. Trying again…").waitFor();
    await ada.go("Access");
    await ada.page.getByRole("button", { name: "Try again" }).waitFor();
    await server.restart();
    await ada.page.getByText("Trying again…").waitFor({ state: "hidden" });
    await ada.page.getByRole("button", { name: "Try again" }).click();
    await ada.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    await ada.go("Me");
    expect(await ada.session()).toBe(session);
    await ada.close(/net::ERR_/);
    await server.stop();
  });

  test("let users paste a token where there is no page to sign in on", async () => {
    const server = await Server.serve("--console", "--issuer", "https://clerk.example.com", "--audiences", "invoices");
    const anybody = await Window.open(stage.browser, server.url);
    await anybody.page.getByLabel("Token").fill("not.a.token");
    await anybody.page.getByRole("button", { name: "Sign in" }).click();
    await anybody.page.getByText(/The server refuses your token: .* \(TOKEN_MALFORMED\)/).waitFor();
    await anybody.close(/401/);
    await server.stop();
  });
});
