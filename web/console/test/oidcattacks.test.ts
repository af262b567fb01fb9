import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { callbackOf, type SignInStage, stageSignIn } from "../../testing/provider.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("attacks on the sign-in at an issuer", () => {
  let at: SignInStage;
  const stage = staged(async () => {
    at = await stageSignIn();
    return at.server;
  });
  afterAll(() => at?.provider.stop());

  const tokensAsked = () => at.provider.requests.filter((request) => request.startsWith("POST /token")).length;
  let before = 0;
  beforeAll(() => {
    before = tokensAsked();
  });

  function open(): Promise<Window> {
    return Window.open(stage.browser, at.server.url, undefined, at.provider.url, "https://fonts.googleapis.com");
  }

  /** Begins to sign in, and returns what the page has asked the issuer for. */
  async function begin(page: Page): Promise<URLSearchParams> {
    const asked = page.waitForRequest((request) => request.url().startsWith(`${at.provider.url}/auth?`));
    await page.getByRole("button", { name: /^Sign in with localhost/ }).click();
    await page.getByPlaceholder("Enter any login").waitFor();
    const headers = await (await asked).allHeaders();
    expect(headers["referer"]).toBeUndefined();
    return new URL((await asked).url()).searchParams;
  }

  function callback(parameters: Record<string, string>): string {
    return `${at.server.url}${callbackOf(at.provider.url)}?${new URLSearchParams(parameters)}`;
  }

  /** Nobody is signed in, no token was asked for, and nothing of the answer is left. */
  async function expectIgnored(page: Page, why: RegExp): Promise<void> {
    await page.getByRole("alert").getByText(why).waitFor();
    expect(await page.getByTestId("caller").count()).toBe(0);
    expect(await page.getByText("0800").count()).toBe(0);
    expect(tokensAsked()).toBe(before);
    expect(page.url()).toBe(`${at.server.url}/`);
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  }

  test.each([
    ["an attacker's code, to sign the victim in as the attacker", { code: "attackers", state: "attackers" }],
    ["an error with a text of the attacker's", { error: "access_denied", error_description: "Call 0800 to unlock", state: "x" }],
    ["nothing", {}],
  ])("a callback that the window has not asked for is ignored: %s", async (_, parameters) => {
    const ada = await open();
    await ada.page.goto(callback(parameters));
    await expectIgnored(ada.page, /this window has not begun/);
    await ada.close();
  });

  test.each([
    ["another state", { code: "attackers", state: "another" }],
    ["no state", { code: "attackers" }],
    ["a text of the attacker's, and another state", { error: "access_denied", error_description: "Call 0800 to unlock", state: "another" }],
  ])("an answer with %s is ignored", async (_, parameters) => {
    const ada = await open();
    await begin(ada.page);
    await ada.page.goto(callback({ iss: at.provider.url, ...parameters }));
    await expectIgnored(ada.page, /does not belong to what this window has asked/);
    await ada.close();
  });

  test.each([
    ["names another issuer", { iss: "https://honest.example.com" }],
    ["names none", {}],
  ])("a code goes to no issuer where the answer %s", async (_, parameters) => {
    const ada = await open();
    const state = (await begin(ada.page)).get("state") ?? "";
    await ada.page.goto(callback({ code: "honest", state, ...parameters }));
    await expectIgnored(ada.page, /does not belong to what this window has asked/);
    await ada.close();
  });

  test("an answer counts once, in the window that has asked", async () => {
    const ada = await open();
    await begin(ada.page);
    const answered = ada.page.waitForRequest((request) => request.url().includes(`${callbackOf(at.provider.url)}?code=`));
    await ada.page.getByPlaceholder("Enter any login").fill("ada");
    await ada.page.getByPlaceholder("and password").fill("any");
    await ada.page.getByRole("button", { name: "Sign-in" }).click();
    await ada.page.getByRole("button", { name: "Continue" }).click();
    const answer = (await answered).url();
    await ada.page.getByTestId("caller").getByText("ada").waitFor();
    before = tokensAsked();
    const other = await open();
    await other.page.goto(answer);
    await expectIgnored(other.page, /this window has not begun/);
    await other.close();
    await ada.page.goto(answer);
    await ada.page
      .getByRole("alert")
      .getByText(/has finished already/)
      .waitFor();
    expect(await ada.page.getByTestId("caller").count()).toBe(0);
    expect(tokensAsked()).toBe(before);
    await ada.close();
  });

  test("what an issuer says is shown as its words, without markup, hidden characters or length", async () => {
    const ada = await open();
    const description = `<img src=x onerror=alert(1)>” Call “0800. \u202Eelif ${"x".repeat(5000)}`;
    await ada.context.route(`${at.provider.url}/auth?**`, (route) => {
      const state = new URL(route.request().url()).searchParams.get("state") ?? "";
      const location = callback({ error: "access_denied", error_description: description, state, iss: at.provider.url });
      return route.fulfill({ status: 303, headers: { Location: location } });
    });
    await ada.page.getByRole("button", { name: /^Sign in with localhost/ }).click();
    const alert = ada.page.getByRole("alert");
    await alert.getByText(/has not let you in/).waitFor();
    const text = await alert.innerText();
    expect(text).toContain('It says: “<img src=x onerror=alert(1)>" Call "0800. \\u202eelif xxx');
    expect(text.length).toBeLessThan(500);
    expect(await alert.locator("img").count()).toBe(0);
    await ada.close();
  });

  test.each(["https://evil.example.com/", "//evil.example.com", "/\\evil.example.com", "javascript:alert(1)", "/console/callback/x?code=x"])(
    "the way back leads to the page, also from %s",
    async (returnTo) => {
      const ada = await open();
      const state = (await begin(ada.page)).get("state") ?? "";
      await ada.page.goto(`${at.server.url}/favicon.svg`); // the same origin, without the page
      await ada.page.evaluate((returnTo) => {
        const asked = JSON.parse(sessionStorage.getItem("ostiary.pending") ?? "");
        sessionStorage.setItem("ostiary.pending", JSON.stringify({ ...asked, returnTo }));
      }, returnTo);
      await ada.page.goto(callback({ error: "access_denied", state, iss: at.provider.url }));
      await expectIgnored(ada.page, /has not let you in/);
      await ada.close(/404/); // the file's page has no icon
    },
  );
});
