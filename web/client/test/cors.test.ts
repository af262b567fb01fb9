import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Frame, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { expired } from "./helpers.js";
import { bundle } from "./page/bundle.js";
import type { Ask, Outcome } from "./page/main.js";

describe.skipIf(withoutChromium)("a page on another origin", () => {
  let server: Server;
  let browser: Browser;
  let token: string;
  let pages: HTTPServer;
  let elsewhere: HTTPServer;
  let page: Page;

  /** Pages are the same by whatever name and port they are asked for. */
  const html = async () => `<!doctype html><title>A page</title><script type="module">${await bundle("main.ts")}</script>`;
  const portOf = (listening: HTTPServer) => (listening.address() as AddressInfo).port;

  beforeAll(async () => {
    const content = await html();
    [pages, elsewhere] = [0, 1].map(() =>
      createServer((_, response) => {
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        response.end(content);
      }).listen(0, "127.0.0.1"),
    ) as [HTTPServer, HTTPServer];
    await Promise.all([once(pages, "listening"), once(elsewhere, "listening")]);
    const port = portOf(pages);
    server = await Server.start("--cors-allowed-origins", `http://localhost:${port},http://frontend:${port}`);
    token = await server.token("ada");
    browser = await launch("frontend", "frontend.example", "my-frontend", "localhost.example");
  });
  afterAll(async () => {
    await browser?.close();
    pages?.close();
    elsewhere?.close();
    await server?.stop();
  });

  async function open(origin: string): Promise<Page> {
    page = await browser.newPage();
    // Nobody serves the pages of other schemes: the browser is handed them.
    if (origin.startsWith("https:")) {
      const body = await html();
      await page.route(`${origin}/`, (route) => route.fulfill({ contentType: "text/html", body }));
    }
    await page.goto(`${origin}/`);
    return page;
  }

  const call = (ask: Partial<Ask>): Promise<Outcome> =>
    page.evaluate((asked) => window.call(asked), {
      api: server.url,
      protocol: "connect",
      stream: false,
      token,
      credentials: "include",
      ...ask,
    } as Ask);

  describe.each([["on a laptop", "localhost"], ["in a container", "frontend"]])("that is allowed, %s", (_, host) => {
    beforeAll(async () => {
      await open(`http://${host}:${portOf(pages)}`);
    });
    afterAll(() => page.close());

    describe.each(["connect", "grpcweb"] as const)("with %s", (protocol) => {
      test.each([false, true])("is answered, stream: %s", async (stream) => {
        expect(await call({ protocol, stream })).toEqual({ subject: "user_ada" });
      });

      test.each([false, true])("reads why it was refused, stream: %s", async (stream) => {
        const outcome = await call({ protocol, stream, token: await server.token("ada", expired()) });
        expect(outcome.reason).toBe("TOKEN_EXPIRED");
        expect(outcome.message).toBe("the token has expired; fetch a fresh one and try again");
      });

      test("needs no cookies to be sent along", async () => {
        expect(await call({ protocol, credentials: "omit" })).toEqual({ subject: "user_ada" });
      });
    });

    test("reads the challenge of a 401", async () => {
      const outcome = await call({ token: null });
      expect(outcome.reason).toBe("TOKEN_MISSING");
      expect(outcome.challenge).toBe("Bearer");
    });
  });

  test("is asked for with one preflight alone", async () => {
    await open(`http://localhost:${portOf(pages)}`);
    const methods: string[] = [];
    const devtools = await page.context().newCDPSession(page);
    devtools.on("Network.requestWillBeSent", ({ request }) => methods.push(request.method));
    await devtools.send("Network.enable");
    for (let i = 0; i < 3; i++) {
      expect(await call({})).toEqual({ subject: "user_ada" });
    }
    expect(methods.filter((method) => method === "POST")).toHaveLength(3);
    expect(methods.filter((method) => method === "OPTIONS")).toHaveLength(1);
    await page.close();
  });

  test.each([
    ["of another port", () => `http://localhost:${portOf(elsewhere)}`],
    ["of another scheme", () => `https://frontend:${portOf(pages)}`],
    ["whose host begins alike", () => `http://frontend.example:${portOf(pages)}`],
    ["whose host ends alike", () => `http://my-frontend:${portOf(pages)}`],
    ["of localhost's namesake", () => `http://localhost.example:${portOf(pages)}`],
  ])("%s is refused", async (_, origin) => {
    await open(origin());
    expect(await refusal(page.mainFrame())).toMatch(/MissingAllowOriginHeader$/);
    await page.close();
  });

  test("in a sandbox, whose origin is null, is refused", async () => {
    await open(`http://localhost:${portOf(pages)}`);
    await page.evaluate(() => {
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", "allow-scripts");
      frame.srcdoc = "<title>A sandbox</title>";
      document.body.append(frame);
      return new Promise((resolve) => frame.addEventListener("load", resolve));
    });
    const [, sandbox] = page.frames();
    expect(await sandbox?.evaluate(() => self.origin)).toBe("null");
    expect(await refusal(sandbox as Frame)).toMatch(/MissingAllowOriginHeader$/);
    await page.close();
  });

  /** What Chromium holds against the answer to a call that it made for a page. */
  async function refusal(frame: Frame): Promise<string> {
    const devtools = await frame.page().context().newCDPSession(frame.parentFrame() === null ? frame.page() : frame);
    const calls = new Set<string>(); // and not what else a page asks for, such as its icon
    devtools.on("Network.requestWillBeSent", ({ requestId, request }) => request.url.startsWith(server.url) && calls.add(requestId));
    const failed = new Promise<string>((resolve) => {
      devtools.on("Network.loadingFailed", ({ requestId, corsErrorStatus, errorText }) => {
        if (calls.has(requestId)) {
          resolve(corsErrorStatus?.corsError ?? errorText);
        }
      });
    });
    await devtools.send("Network.enable");
    const error = await frame.evaluate(
      ([api, bearer]) =>
        fetch(`${api}/ostiary.identity.v1.IdentityService/WhoAmI`, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${bearer}` },
          body: "{}",
        }).then(() => "answered", (thrown: Error) => thrown.name),
      [server.url, token],
    );
    expect(error).toBe("TypeError");
    return failed;
  }
});
