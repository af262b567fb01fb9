import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { Window } from "./window.js";

test("the page weighs no more than 150 KB of compressed JavaScript", () => {
  const assets = new URL("../dist/assets/", import.meta.url);
  const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
  const weight = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, assets))).length, 0);
  expect(weight).toBeLessThanOrEqual(150 * 1024);
});

describe.skipIf(withoutChromium)("the console", () => {
  let browser: Browser;
  let server: Server;
  beforeAll(async () => {
    [browser, server] = await Promise.all([launch(), Server.start()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("shows who is signed in", async () => {
    const ada = await Window.open(browser, server.url);
    await ada.signIn("ada");
    await ada.page.getByText("org:invoices:delete").waitFor();
    await ada.page.getByText("Not renewed yet").waitFor();
    await ada.page.getByText("The latest token's payload").click();
    await ada.page.getByText('"sub": "user_ada"').waitFor();
    expect(await ada.page.title()).toBe("Me · ostiary");
    await ada.close();
  });

  test("stays signed in while tokens come and go", async () => {
    const ada = await Window.open(browser, server.url);
    await ada.signIn("ada", "3s");
    await ada.page.getByText("Renewed 4 times").waitFor(); // nine seconds: three lifetimes, and more than the skew
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(ada.requests.filter((path) => path.endsWith("/WatchIdentity"))).toHaveLength(1);
    await ada.close();
  });

  test("lets an administrator end the session of another window, at once", async () => {
    const ada = await Window.open(browser, server.url);
    const ben = await Window.open(browser, server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await ben.signIn("ben");
    const session = await ben.session();
    const row = ada.page.getByRole("listitem", { name: session });
    await row.getByRole("button", { name: "End the session of user_ben" }).click();
    await ada.page.getByRole("button", { name: "Keep it" }).click();
    await row.getByRole("button", { name: "End the session of user_ben" }).click();
    await ada.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ben.page.getByText("Your session was ended.").waitFor({ timeout: 1000 });
    await row.getByText("ended", { exact: true }).waitFor();
    await ada.close();
    await ben.close();
  });

  test("signs out, and stays so", async () => {
    const cleo = await Window.open(browser, server.url);
    await cleo.signIn("cleo");
    const session = await cleo.session();
    await cleo.page.getByRole("button", { name: "Sign out" }).click();
    await cleo.page.getByText("You have signed out.").waitFor();
    await cleo.page.reload();
    await cleo.page.getByRole("heading", { name: "Sign in" }).waitFor();
    await cleo.signIn("cleo");
    expect(await cleo.session()).not.toBe(session);
    await cleo.close();
  });

  test("knows the window again when it is loaded again", async () => {
    const ada = await Window.open(browser, server.url);
    await ada.signIn("ada");
    const session = await ada.session();
    await ada.page.reload();
    expect(await ada.session()).toBe(session);
    await ada.close();
  });

  test("opens the page that a link names, once somebody is signed in", async () => {
    const ada = await Window.open(browser, `${server.url}/access`);
    await ada.signIn("ada");
    await ada.page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await ada.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    await ada.go("Me");
    await ada.page.goBack();
    await ada.page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await ada.close();
  });

  test("calls methods, and tells why one was refused", async () => {
    const ben = await Window.open(browser, `${server.url}/try`);
    await ben.signIn("ben");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText('"subject": "user_ben"').waitFor();
    await ben.page.getByRole("button", { name: "buf curl" }).click();
    await ben.page.getByText(`buf curl --protocol grpc --http2-prior-knowledge`).waitFor();

    await ben.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/RevokeSubject");
    await ben.page.getByLabel("Body").fill('{"subject": "user_ada"}');
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText("PERMISSION_REQUIRED").waitFor();

    await ben.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/WatchSessions");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText("EVENT_WATCHING").waitFor();
    await ben.page.getByRole("button", { name: "Stop" }).click();
    await ben.page.getByText("stopped").waitFor();

    await ben.page.getByLabel("Body").fill("{");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText("the body is no WatchSessionsRequest").waitFor();
    await ben.close(/403/);
  });

  test("goes on after the tab has slept longer than its token lived", async () => {
    const ada = await Window.open(browser, server.url);
    await ada.signIn("ada", "3s");
    const session = await ada.session();
    const devtools = await ada.context.newCDPSession(ada.page);
    await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
    const asleep = Date.now();
    await expect.poll(() => Date.now() - asleep, { timeout: 15_000 }).toBeGreaterThan(9000); // the lifetime and the skew
    await devtools.send("Page.setWebLifecycleState", { state: "active" });
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(await ada.session()).toBe(session);
    await ada.go("Sessions");
    await ada.page.getByText("this window").waitFor();
    await ada.close();
  });

  test.each(["light", "dark"] as const)("puts no barriers in anybody's way, %s", async (colorScheme) => {
    const ada = await Window.open(browser, server.url);
    await ada.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await ada.page.getByRole("button", { name: "Sign in as ada" }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.signIn("ada");
    await ada.page.getByText("org:invoices:read").waitFor();
    expect(await ada.barriers()).toEqual([]);
    for (const [name, shown] of [["Access", "may call"], ["Try", "Send"], ["Sessions", "this window"]] as const) {
      await ada.go(name);
      await ada.page.getByText(shown).first().waitFor();
      expect(await ada.barriers()).toEqual([]);
    }
    await ada.page.getByRole("button", { name: "End the session of user_ada" }).first().click();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("can be used with the keyboard alone, on a telephone", async () => {
    const ada = await Window.open(browser, server.url, { width: 380, height: 700 });
    await ada.page.getByRole("button", { name: "Sign in as ada" }).waitFor();
    await ada.page.keyboard.press("Tab");
    expect(await ada.page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Sign in as ada");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("org:invoices:read").waitFor();
    for (const name of ["Sessions", "Access", "Try", "Me"]) {
      await ada.page.getByRole("link", { name }).focus();
      await ada.page.keyboard.press("Enter");
      await expect.poll(() => ada.page.evaluate(() => document.activeElement?.textContent)).toBe(name);
      expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    }
    await ada.close();
  });
});

describe.skipIf(withoutChromium)("the console and its server", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  test("find each other again after a restart", async () => {
    const server = await Server.start();
    const ada = await Window.open(browser, server.url);
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
    const anybody = await Window.open(browser, server.url);
    await anybody.page.getByLabel("Token").fill("not.a.token");
    await anybody.page.getByRole("button", { name: "Sign in" }).click();
    await anybody.page.getByText(/You are signed out: .* \(TOKEN_MALFORMED\)/).waitFor();
    await anybody.close(/401/);
    await server.stop();
  });

  describe("with Clerk", () => {
    const host = "https://clerk.example.com";
    const key = `pk_test_${Buffer.from("clerk.example.com$").toString("base64")}`;
    let server: Server;
    beforeAll(async () => {
      server = await Server.serve("--console", "--publishable-key", key, "--audiences", "invoices");
    });
    afterAll(() => server?.stop());

    /** Opens the console. Clerk is far away: what stands in for it does what its documentation says. */
    async function open(session: string) {
      const context = await browser.newContext();
      const asked: string[] = [];
      await context.route(`${host}/**`, (route) => {
        asked.push(new URL(route.request().url()).pathname);
        const body = `window.Clerk = {
          session: ${session},
          load: async () => {},
          addListener: () => () => {},
          mountSignIn: (element) => { element.textContent = "Clerk's page for " + document.querySelector("[data-clerk-publishable-key]").dataset.clerkPublishableKey; },
          unmountSignIn: () => {},
          signOut: async () => { window.Clerk.session = null; },
        };`;
        return route.fulfill({ contentType: "text/javascript", headers: { "Access-Control-Allow-Origin": "*" }, body });
      });
      const page = await context.newPage();
      const faults: string[] = [];
      page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
      await page.goto(server.url);
      return { context, page, asked, faults };
    }

    test("loads its code from where Clerk serves it", async () => {
      const { context, page, asked, faults } = await open("null");
      await page.getByText(`Clerk's page for ${key}`).waitFor();
      expect(asked).toEqual(["/npm/@clerk/ui@1/dist/ui.browser.js", "/npm/@clerk/clerk-js@6/dist/clerk.browser.js"]);
      expect(faults).toEqual([]);
      await context.close();
    });

    test("leaves a session that the server refuses, rather than to try it for ever", async () => {
      const { context, page } = await open('{ getToken: async () => "not.a.token" }');
      await page.getByText(/You are signed out: .* \(TOKEN_MALFORMED\)/).waitFor();
      await page.getByText(`Clerk's page for ${key}`).waitFor();
      await context.close();
    });
  });
});
