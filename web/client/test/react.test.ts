import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { functionSource } from "../src/index.js";
import { ApiProvider, useApiClient, useIdentity, useStream } from "../src/react/index.js";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import { bundle } from "./page/bundle.js";

const method = IdentityService.method.watchIdentity;

test("a server makes the page without calling anything", () => {
  function Shown() {
    useApiClient(IdentityService);
    return createElement("p", null, useIdentity().state, " ", useStream(method, {}).state, " ", useStream(method, {}, { enabled: false }).state);
  }
  const source = functionSource(() => Promise.reject(new Error("asked for a token")));
  const page = createElement(ApiProvider, { baseUrl: "/api", source }, createElement(Shown));
  expect(renderToString(page).replaceAll("<!-- -->", "")).toBe("<p>opening opening disabled</p>");
});

test("a hook without a provider says what is missing", () => {
  const Lost = () => createElement("p", null, useIdentity().state);
  expect(() => renderToString(createElement(Lost))).toThrow("there is no ApiProvider around this component");
});

describe.skipIf(withoutChromium)("a page in strict mode", () => {
  let server: Server;
  let browser: Browser;
  let pages: HTTPServer;

  beforeAll(async () => {
    const html = `<!doctype html><title>A page</title><body></body><script type="module">${(await bundle("app.tsx")).replaceAll("</script", "<\\/script")}</script>`;
    pages = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(html);
    }).listen(0, "127.0.0.1");
    await once(pages, "listening");
    [browser, server] = await Promise.all([launch(), Server.start("--cors-allowed-origins", origin())]);
  });
  afterAll(async () => {
    await browser?.close();
    pages?.close();
    await server?.stop();
  });

  const origin = () => `http://localhost:${(pages.address() as AddressInfo).port}`;

  /** A tab, and the methods that it has called. */
  async function open(context: BrowserContext, params: Record<string, string>, onCall: (method: string) => void = () => {}) {
    const page = await context.newPage();
    const calls: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") {
        const method = new URL(request.url()).pathname.replace(/.*\//, "");
        calls.push(method);
        onCall(method);
      }
    });
    await page.goto(`${origin()}/?${new URLSearchParams({ api: server.url, ...params })}`);
    return { page, calls, count: (name: string) => calls.filter((call) => call === name).length };
  }

  const shows = (page: Page, id: string, want: string) => expect.poll(() => page.locator(`#${id}`).textContent(), { timeout: 20_000 }).toBe(want);

  test("has one stream of the identity for all components, and calls with one token", async () => {
    const context = await browser.newContext();
    const { page, count } = await open(context, { persona: "ada", session: "sess_strict" });
    await shows(page, "first", "user_ada open ");
    await shows(page, "second", "user_ada open ");
    await shows(page, "queried", "user_ada");
    await shows(page, "states", "opening open");
    await page.getByLabel("Cause").fill("rendered again, with each letter");
    expect([count("WatchIdentity"), count("WatchSessions"), count("WhoAmI"), count("token")]).toEqual([1, 1, 1, 1]);

    await page.getByRole("button", { name: "Switch" }).click();
    await shows(page, "states", "opening open disabled");
    await page.getByRole("button", { name: "Switch" }).click();
    await expect.poll(() => count("WatchSessions")).toBe(2);
    await page.getByRole("button", { name: "Restart" }).click();
    await expect.poll(() => count("WatchSessions")).toBe(3);
    expect(count("WatchIdentity")).toBe(1);
    await context.close();
  });

  test("shares one token and one renewal with other tabs, whose streams go on until the session is ended", async () => {
    const context = await browser.newContext();
    const params = { persona: "ben", session: "sess_tabs", ttl: "4s" };
    const tokens: number[] = []; // when each was asked for
    const onCall = (method: string) => method === "token" && tokens.push(Date.now());
    const first = await open(context, params, onCall);
    await shows(first.page, "first", "user_ben open ");
    const second = await open(context, params, onCall);
    await shows(second.page, "first", "user_ben open ");
    // By the fourth the first is over, with the server's leeway of five seconds. One replaces the other after three seconds.
    await expect.poll(() => tokens.length, { timeout: 25_000 }).toBeGreaterThanOrEqual(5);
    const gaps = tokens.slice(1).map((at, i) => at - (tokens[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(500); // a tab takes over after a second where the other is late
    for (const { page, count } of [first, second]) {
      expect(count("WatchIdentity")).toBe(1);
      expect(await page.locator("#states").textContent()).toBe("opening open");
    }
    const sharing = () => first.page.evaluate(async () => (await navigator.locks.query()).held?.filter(({ name }) => name?.endsWith(":tab")).length);
    expect(await sharing()).toBe(2);
    await first.page.getByRole("button", { name: "Close" }).click();
    await expect.poll(sharing).toBe(1); // until it asks for a token again
    await first.page.getByRole("button", { name: "End" }).click();
    for (const { page } of [first, second]) {
      await shows(page, "first", "undefined failed TOKEN_REVOKED");
      await shows(page, "over", " TOKEN_REVOKED");
    }
    await context.close();
  });

  test("that closes its source while it waits for a token gets none, since the user has signed out", async () => {
    const context = await browser.newContext();
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await context.route("**/dev/token", async (route) => {
      await released;
      await route.continue();
    });
    const { page, count } = await open(context, { persona: "ada", session: "sess_closed" });
    await expect.poll(() => count("token")).toBe(1);
    await page.getByRole("button", { name: "Close" }).click();
    release();
    await shows(page, "first", "undefined failed TOKEN_MISSING");
    await context.close();
  });
});
