import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { api, callbackOf, clientId, OpenIDProvider } from "../../testing/provider.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

/** An issuer of the same console that wants what another gives out. */
class HostileIssuer {
  /** What was asked of it: method, path and query. */
  readonly requests: string[] = [];
  /** Where it sends a browser that comes to sign in. */
  lead: (asked: URLSearchParams) => URL = () => new URL("about:blank");
  /** Its authorization endpoint. Default: its own. */
  authorizationEndpoint: string | undefined;
  readonly #server = createServer((request, response) => {
    const url = new URL(request.url ?? "", this.url);
    this.requests.push(`${request.method} ${request.url}`);
    response.setHeader("Access-Control-Allow-Origin", "*");
    if (url.pathname === "/auth") {
      response.writeHead(303, { Location: this.lead(url.searchParams).href }).end();
    } else if (url.pathname === "/.well-known/openid-configuration") {
      const authorization_endpoint = this.authorizationEndpoint ?? `${this.url}/auth`;
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, authorization_endpoint, token_endpoint: `${this.url}/token` }));
    } else {
      response.writeHead(404).end();
    }
  });

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

// RFC 9700, section 4.4. The honest issuer does not name itself in its answers, so that its callback alone shows whose they are.
describe.skipIf(withoutChromium)("an issuer that wants the sign-in at another", () => {
  const directory = mkdtempSync(join(tmpdir(), "ostiary-mixup-"));
  const hostile = new HostileIssuer();
  let honest: OpenIDProvider;

  async function serve(): Promise<Server> {
    const issuers = [honest.url, hostile.url].map((url) => ({ url, profile: "oidc", audiences: [api], console_client_id: clientId, console_resource: api }));
    const config = join(directory, "ostiary.yaml");
    writeFileSync(config, JSON.stringify({ issuers }));
    return Server.serve("--console", "--config", config);
  }

  const stage = staged(async () => {
    honest = await OpenIDProvider.start({ silent: true });
    await hostile.start();
    const server = await serve();
    honest.serve(server.url + callbackOf(honest.url));
    return server;
  });
  afterAll(async () => {
    await hostile.stop();
    await honest?.stop();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    honest.requests.length = 0;
    hostile.requests.length = 0;
    hostile.authorizationEndpoint = undefined;
  });

  function open(server = stage.server): Promise<Window> {
    return Window.open(stage.browser, server.url, undefined, honest.url, hostile.url, "https://fonts.googleapis.com");
  }

  const begin = (page: Page, issuer: string) => page.getByRole("button", { name: `Sign in with ${new URL(issuer).host}`, exact: true }).click();

  async function signInThere(page: Page): Promise<void> {
    await page.getByPlaceholder("Enter any login").fill("ada");
    await page.getByPlaceholder("and password").fill("any");
    await page.getByRole("button", { name: "Sign-in" }).click();
    await page.getByRole("button", { name: "Continue" }).click();
  }

  const tokensAsked = () => [...honest.requests, ...hostile.requests].filter((request) => request.startsWith("POST"));

  /** Leads to the honest issuer, as the console's client there, to have the code brought to a callback. */
  function leadTo(callback: string): (asked: URLSearchParams) => URL {
    return (asked) => {
      const url = new URL(`${honest.url}/auth`);
      asked.set("redirect_uri", stage.server.url + callback);
      url.search = asked.toString();
      return url;
    };
  }

  test("the code of one is not sent to the other", async () => {
    hostile.lead = leadTo(callbackOf(honest.url));
    const ada = await open();
    await begin(ada.page, hostile.url);
    const came = ada.page.waitForRequest((request) => request.url().includes("?code="));
    await signInThere(ada.page);
    const answer = new URL((await came).url());
    expect(answer.pathname).toBe(callbackOf(honest.url));
    expect(answer.searchParams.has("iss")).toBe(false);
    await ada.page
      .getByRole("alert")
      .getByText(/does not belong to what this window has asked/)
      .waitFor();
    expect(await ada.page.getByTestId("caller").count()).toBe(0);
    expect(ada.page.url()).toBe(`${stage.server.url}/`);
    expect(tokensAsked().filter((request) => request.startsWith("POST /token"))).toEqual([]);
    await ada.close();
  });

  test("the code of one is not brought to the callback of the other", async () => {
    hostile.lead = leadTo(callbackOf(hostile.url));
    const ada = await open();
    await begin(ada.page, hostile.url);
    await ada.page.getByText("invalid_redirect_uri").waitFor();
    expect(tokensAsked()).toEqual([]);
    await ada.close(/400/);
  });

  test("one that names the other's endpoint as its own gets no code", async () => {
    hostile.authorizationEndpoint = `${honest.url}/auth`;
    const server = await serve(); // it has read the discovery document before
    const ada = await open(server);
    await begin(ada.page, hostile.url);
    await ada.page.getByText("invalid_redirect_uri").waitFor();
    expect(tokensAsked()).toEqual([]);
    await ada.close(/400/);
    await server.stop();
  });

  test("an answer at the right callback that names the other is refused", async () => {
    hostile.lead = (asked) => {
      const url = new URL(stage.server.url + callbackOf(hostile.url));
      url.search = new URLSearchParams({ code: "x", state: asked.get("state") ?? "", iss: honest.url }).toString();
      return url;
    };
    const ada = await open();
    await begin(ada.page, hostile.url);
    await ada.page.getByText(/does not belong to what this window has asked/).waitFor();
    expect(tokensAsked()).toEqual([]);
    await ada.close();
  });

  test("the honest one works beside it, and the page says what to register at each", async () => {
    const ada = await open();
    await ada.page.getByText("what to register at each issuer").click();
    for (const { url } of [honest, hostile]) {
      await ada.page.getByText(stage.server.url + callbackOf(url), { exact: true }).waitFor();
    }
    expect(await ada.barriers()).toEqual([]);
    await begin(ada.page, honest.url);
    await signInThere(ada.page);
    await ada.page.getByTestId("caller").getByText("ada").waitFor();
    await ada.close();
  });
});
