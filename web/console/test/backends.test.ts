import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Backends } from "../../testing/backends.js";
import { launch, withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("backends on the console", () => {
  let browser: Browser;
  let backends: Backends;
  /** Pages of another origin than that of the server may call it. */
  let elsewhere: Backends;
  let server: Server;
  let others: string[];
  beforeAll(async () => {
    [browser, backends, elsewhere] = await Promise.all([launch(), Backends.start(), Backends.start()]);
    const foreign = elsewhere.setting.replaceAll(/(shop|native)=/g, "foreign $1=");
    server = await Server.start(
      "--operator-subjects",
      "user_ada",
      "--backends",
      `${backends.setting},${foreign},gone=${backends.part("shop", "image")},gone=http://127.0.0.1:1,away=http://127.0.0.1:2`,
    );
    backends.serve(server.url);
    elsewhere.serve("http://localhost:1");
    others = [backends.part("shop", "url"), backends.part("native", "url"), elsewhere.part("shop", "url"), "http://127.0.0.1:1"];
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([server, backends, elsewhere].map((started) => started?.stop()));
  });

  async function open(persona: string, page: string, size = { width: 1000, height: 800 }): Promise<Window> {
    const window = await Window.open(browser, `${server.url}${page}`, size, ...others);
    await window.signIn(persona);
    return window;
  }

  const list = "/try?backend=shop&method=/acme.invoice.v1.InvoiceService/ListInvoices";
  const answer = (window: Window) => window.page.getByRole("region", { name: "Answer" });
  const ask = (window: Window) => window.page.getByRole("button", { name: "Send" }).click();

  /** Sends, and confirms what may change something. */
  async function send(window: Window, name: string): Promise<Locator> {
    await ask(window);
    const dialog = window.page.getByRole("dialog");
    await dialog.getByText("Its schema does not say that it only reads").waitFor();
    await dialog.getByRole("button", { name: `Call ${name}` }).click();
    return answer(window);
  }

  test("are called as anybody, and show where the token goes before that", async () => {
    const ada = await open("ada", list);
    const shop = backends.part("shop", "url");
    await ada.page.getByText(`Your token goes to ${shop}, which can use it until it expires.`).waitFor();
    await (await send(ada, "ListInvoices")).getByText('"customer": "user_ada"').waitFor();
    const request = await ada.page.getByRole("region", { name: "Request" }).innerText();
    expect(request).toContain(`POST ${shop}/acme.invoice.v1.InvoiceService/ListInvoices\n`);
    expect(request).toContain("authorization: Bearer ••••\n");

    await ada.page.getByLabel("Call as").selectOption("persona ben");
    await ada.page.getByText(`A token of ben goes to ${shop}`).waitFor();
    await (await send(ada, "ListInvoices")).getByText('"customer": "user_ben"').waitFor();
    await ada.page.getByLabel("Call as").selectOption("nobody");
    await ada.page.getByText(`Without a token, it is called at ${shop}`).waitFor();
    await (await send(ada, "ListInvoices")).getByText("TOKEN_MISSING", { exact: true }).waitFor();

    await ada.page.getByLabel("Call as").selectOption("persona cleo");
    await ada.page.getByLabel("Method").selectOption("/acme.invoice.v1.InvoiceService/DeleteInvoice");
    await ada.page.getByLabel("Body").fill('{"invoice": "x"}');
    await ada.page.getByText('Line 1: DeleteInvoiceRequest has no field "invoice"').waitFor();
    await ada.page.getByLabel("Body").fill('{"invoiceId": "inv_1"}');
    await (await send(ada, "DeleteInvoice")).getByText("PERMISSION_REQUIRED", { exact: true }).waitFor();
    await ada.page.getByLabel("Server").selectOption("This server");
    await ask(ada);
    await answer(ada).getByText('"subject": "user_cleo"').waitFor();

    const history = ada.page.getByRole("region", { name: "History" });
    await history
      .getByRole("row", { name: /^ListInvoices shop persona|^ListInvoices shop ben OK/ })
      .getByRole("button")
      .click();
    await expect.poll(() => ada.page.getByLabel("Server").inputValue()).toBe("shop");
    await expect.poll(() => ada.page.getByLabel("Method").inputValue()).toBe("/acme.invoice.v1.InvoiceService/ListInvoices");
    expect(await ada.page.getByLabel("Call as").inputValue()).toBe("persona ben");
    await ada.close(/40[13]/);
  });

  test("have their streams shown and paused", async () => {
    const ada = await open("ada", "/try?backend=shop&method=/acme.delivery.v1.DeliveryService/WatchDeliveries");
    const shown = await send(ada, "WatchDeliveries");
    await shown.getByLabel("Message 3", { exact: true }).waitFor();
    await ada.page.getByRole("button", { name: "Pause" }).click();
    const count = async () => Number((await shown.innerText()).match(/(\d+) messages?/)?.[1] ?? 0);
    const before = await count();
    await ada.page.getByRole("button", { name: /^Go on, \d{2,} more$/ }).waitFor();
    expect(await count()).toBe(before);
    await ada.page.getByRole("button", { name: /^Go on/ }).click();
    await expect.poll(count).toBeGreaterThan(before + 9);
    await ada.page.getByRole("button", { name: "Stop" }).click();
    await shown.getByText("stopped", { exact: true }).waitFor();
    await ada.close();
  });

  test("that do not let this page call are told apart from those that are away", async () => {
    const ada = await open("ada", list.replace("shop", "foreign shop"));
    await send(ada, "ListInvoices");
    await answer(ada).getByText("The browser refuses this call:").waitFor();
    const said = await answer(ada).innerText();
    expect(said).toContain(`${elsewhere.part("shop", "url")} does not allow this page to call it (CORS).`);
    expect(said).toMatch(
      new RegExp(`allow the origin ${server.url}, the method POST, and the headers [^]*authorization[^]*connect-protocol-version[^]*content-type`),
    );
    expect(await answer(ada).getByRole("link", { name: "What a backend needs" }).getAttribute("href")).toMatch(/console\.md#what-a-backend-needs$/);
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByLabel("Server").selectOption("gone");
    await send(ada, "ListInvoices");
    await answer(ada).getByText("http://127.0.0.1:1 cannot be reached from this browser.").waitFor();
    await ada.page.getByLabel("Server").selectOption("away");
    await ada.page.getByText("Its schema could not be read.").waitFor();
    expect(await ada.page.getByRole("button", { name: "Send" }).count()).toBe(0);
    await ada.page.getByLabel("Server").selectOption("native"); // by reflection
    await ada.page.getByLabel("Method").selectOption("/acme.invoice.v1.InvoiceService/GetPrices");
    await ada.page.goto(`${server.url}/try?backend=nobody`);
    await ada.page.getByText("The settings of this server name no such backend").waitFor();
    await ada.close(/CORS|net::ERR_/);
  });

  test("are the only other origins that the page may reach", async () => {
    const policy = (await fetch(`${server.url}/try`)).headers.get("content-security-policy");
    const connect = policy
      ?.split("; ")
      .find((directive) => directive.startsWith("connect-src "))
      ?.split(" ")
      .slice(1);
    expect(connect).toEqual([
      "'self'",
      backends.part("shop", "url"),
      backends.part("native", "url"),
      elsewhere.part("shop", "url"),
      elsewhere.part("native", "url"),
      "http://127.0.0.1:1",
      "http://127.0.0.1:2",
    ]);
  });

  test("have their rules and what is wrong on the pages Access and Health", async () => {
    const ada = await open("ada", "/access?q=invoice");
    const shop = ada.page.getByRole("region", { name: "The backend shop", exact: true });
    await shop.getByRole("row", { name: /^DeleteInvoice.*may call/ }).waitFor();
    await ada.page
      .getByRole("region", { name: "The backend native" })
      .getByRole("row", { name: /^DeleteInvoice.*may call/ })
      .waitFor();
    await shop.getByRole("link", { name: "GetPrices" }).click();
    await expect.poll(() => ada.page.getByLabel("Server").inputValue()).toBe("shop");
    await expect.poll(() => ada.page.getByLabel("Method").inputValue()).toBe("/acme.invoice.v1.InvoiceService/GetPrices");
    await ada.go("Access");
    await ada.page.getByRole("region", { name: "The backend away" }).getByText("Its schema could not be read.").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.go("Health");
    const problem = ada.page.getByRole("listitem").filter({ hasText: "This backend does not send its schema." });
    await problem.getByText("away", { exact: true }).waitFor();
    await problem.getByText("connection refused").waitFor();
    await ada.page
      .getByRole("region", { name: /^Backend native/ })
      .getByText(backends.part("native", "url"))
      .waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test.each([
    ["light", 380],
    ["light", 1440],
    ["dark", 380],
    ["dark", 1440],
  ] as const)("put no barriers in anybody's way, %s, %i pixels wide", async (colorScheme, width) => {
    const ada = await open("ada", list, { width, height: 800 });
    await ada.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await (await send(ada, "ListInvoices")).getByText('"customer": "user_ada"').waitFor();
    await ada.page.getByRole("button", { name: "buf curl" }).click();
    await ada.page.getByRole("button", { name: "Save it" }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await ask(ada);
    await ada.page.getByRole("dialog").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("give their schemas as files, for commands that need them", async () => {
    const ada = await open("ada", list);
    await ada.page.getByRole("button", { name: "buf curl" }).click();
    const saved = ada.page.waitForEvent("download");
    await ada.page.getByRole("button", { name: "Save it" }).click();
    expect((await saved).suggestedFilename()).toBe("shop.binpb");
    expect(await ada.page.getByLabel("The call with buf curl").innerText()).toContain("buf curl --schema 'shop.binpb' ");
    await ada.close();
  });
});

describe.skipIf(withoutChromium)("backends on the console of ostiary serve", () => {
  test("are those of the YAML file, and called with a token that was pasted", async () => {
    const [browser, backends, issuer] = await Promise.all([launch(), Backends.start(), Server.start()]);
    const directory = mkdtempSync(join(tmpdir(), "ostiary-serve-"));
    const config = join(directory, "ostiary.yaml");
    const shop = backends.part("shop", "url");
    writeFileSync(
      config,
      `backends:\n  - {name: the shop, image: ${backends.part("shop", "image")}, url: ${shop}}\n  - {name: native, reflection: "${backends.part("native", "url")}"}\n`,
    );
    const server = await Server.serve("--console", "--issuer", issuer.url, "--config", config);
    try {
      backends.serve(issuer.url, server.url);
      const ada = await Window.open(browser, `${server.url}/try?backend=the+shop&method=/acme.invoice.v1.InvoiceService/ListInvoices`, undefined, shop);
      await ada.page.getByLabel("Token").fill(await issuer.token("ada", { exp: Math.floor(Date.now() / 1000) + 600 }));
      await ada.page.getByRole("button", { name: "Sign in" }).click();
      await ada.page.getByText(`Your token goes to ${shop}`).waitFor();
      await ada.page.getByRole("button", { name: "Send" }).click();
      await ada.page.getByRole("dialog").getByRole("button", { name: "Call ListInvoices" }).click();
      await ada.page.getByRole("region", { name: "Answer" }).getByText('"customer": "user_ada"').waitFor();
      expect(await ada.page.getByLabel("Server").locator("option").allInnerTexts()).toEqual(["This server", "the shop"]); // native has no url
      await ada.go("Access");
      await ada.page
        .getByRole("region", { name: "The backend native" })
        .getByRole("row", { name: /^GetPrices/ })
        .waitFor();
      await ada.close();
    } finally {
      await browser.close();
      await Promise.all([server, backends, issuer].map((started) => started.stop()));
      rmSync(directory, { recursive: true });
    }
  });
});
