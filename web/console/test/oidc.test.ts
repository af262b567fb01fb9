import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launch, withoutChromium } from "../../testing/browser.js";
import { callbackOf, type SignInStage, stageSignIn } from "../../testing/provider.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("sign-in at a real OpenID provider", () => {
  let browser: Browser;
  const stages: SignInStage[] = [];
  beforeAll(async () => {
    browser = await launch();
  });
  afterEach(async () => {
    await Promise.all(stages.splice(0).map((stage) => stage.stop()));
  });
  afterAll(() => browser?.close());

  async function stage(options?: Parameters<typeof stageSignIn>[0]): Promise<SignInStage> {
    const started = await stageSignIn(options);
    stages.push(started);
    return started;
  }

  async function open({ server, provider }: SignInStage, path = "/"): Promise<Window> {
    return Window.open(browser, server.url + path, undefined, provider.url, "https://fonts.googleapis.com"); // for its pages
  }

  /** Goes to the provider, which asks for a name and a password, and then for consent. */
  async function signInThere(page: Page, subject = "ada"): Promise<void> {
    await page.getByRole("button", { name: /^Sign in with (localhost|127)/ }).click();
    await page.getByPlaceholder("Enter any login").fill(subject);
    await page.getByPlaceholder("and password").fill("any");
    await page.getByRole("button", { name: "Sign-in" }).click();
    await page.getByRole("button", { name: "Continue" }).click();
  }

  async function signIn(page: Page, subject = "ada"): Promise<void> {
    await signInThere(page, subject);
    await page.getByTestId("caller").getByText(subject).waitFor();
  }

  const count = (requests: string[], start: RegExp) => requests.filter((request) => start.test(request)).length;

  /** All that the window keeps where others could find it. */
  function kept(page: Page): Promise<string> {
    return page.evaluate(() => {
      const { entries } = (globalThis as unknown as { navigation: { entries(): { url: string }[] } }).navigation;
      const visited = entries.call((globalThis as unknown as { navigation: object }).navigation).map(({ url }) => url);
      return JSON.stringify({ visited, local: { ...localStorage }, session: { ...sessionStorage }, state: history.state, cookie: document.cookie });
    });
  }

  test("the user comes back to where they were, and calls as who signed in", async () => {
    const at = await stage();
    const ada = await open(at, "/sessions?q=ada");
    await signIn(ada.page);
    expect(ada.page.url()).toBe(`${at.server.url}/sessions?q=ada`);
    await ada.go("Me");
    await ada.page.getByText("WatchIdentity is open").waitFor();
    const all = await kept(ada.page);
    expect(all).toContain(`"session":{"ostiary.issuer":"${at.provider.url}"}`);
    expect(all).not.toMatch(/code=|state=|eyJ/);
    await ada.close();
  });

  test("a page that is loaded again goes on with the session at the issuer, without asking", async () => {
    const at = await stage();
    const ada = await open(at);
    await signIn(ada.page);
    await ada.go("Access");
    await ada.page.reload();
    await ada.page.getByTestId("caller").getByText("ada").waitFor();
    expect(new URL(ada.page.url()).pathname).toBe("/access");
    expect(count(at.provider.requests, /^GET \/auth\?.*prompt=none/)).toBe(1);
    await ada.close();
  });

  test("tokens are renewed with refresh tokens, each used once", async () => {
    const at = await stage({ accessTokenTTL: 8, refreshTokens: true });
    const ada = await open(at);
    await signIn(ada.page);
    await expect.poll(() => count(at.provider.requests, /^POST \/token/)).toBeGreaterThanOrEqual(4);
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(count(at.provider.requests, /prompt=none/)).toBe(0);
    await ada.close();
  });

  test("tokens are renewed in a frame where there are no refresh tokens", async () => {
    const at = await stage({ accessTokenTTL: 8 });
    const ada = await open(at);
    await signIn(ada.page);
    await expect.poll(() => count(at.provider.requests, /^POST \/token/)).toBeGreaterThanOrEqual(3);
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(count(at.provider.requests, /^GET \/auth\?.*prompt=none/)).toBeGreaterThanOrEqual(2);
    expect(await ada.page.locator("iframe").count()).toBe(0);
    await ada.close();
  });

  test("calls go on while a frame renews the token, and after one without an answer, until the token expires", async () => {
    const at = await stage();
    const ada = await open(at);
    await ada.page.clock.install();
    await signIn(ada.page);
    await ada.page.getByText("WatchIdentity is open").waitFor();
    await ada.context.route(`${at.provider.url}/auth?**prompt=none**`, (route) => route.fulfill({ contentType: "text/html", body: "Choose an account" }));
    const frame = ada.page.locator("iframe");
    await ada.page.clock.fastForward("46:00");
    const first = await frame.elementHandle();
    await ada.go("Access");
    await ada.page.getByRole("region", { name: /IdentityService/ }).waitFor();
    expect(await first?.evaluate((element) => element.isConnected)).toBe(true); // it has not been waited for
    await ada.page.clock.fastForward("00:11");
    await frame.waitFor({ state: "detached" });
    await ada.go("Me");
    await ada.page.getByText("WatchIdentity is open").waitFor();
    await expect
      .poll(async () => {
        await ada.page.clock.fastForward("05:00");
        return ada.page.getByText(/wants you to sign in again, or your browser keeps its cookies/).count();
      })
      .toBe(1);
    await ada.close();
  });

  test("a refresh token that comes after the user has signed out is revoked", async () => {
    const at = await stage({ refreshTokens: true, logout: false });
    const ada = await open(at);
    await ada.page.clock.install();
    await signIn(ada.page);
    await ada.page.getByText("WatchIdentity is open").waitFor();
    let release = () => {};
    const signedOut = new Promise<void>((resolve) => {
      release = resolve;
    });
    const answered = new Promise<void>((resolve) => {
      void ada.context.route(`${at.provider.url}/token`, async (route) => {
        const response = await route.fetch();
        resolve();
        await signedOut;
        await route.fulfill({ response });
      });
    });
    await ada.page.clock.fastForward("46:00");
    await answered;
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByText(/^You have left/).waitFor();
    const revocations = () => count(at.provider.requests, /^POST \/token\/revocation/);
    await expect.poll(revocations).toBe(1);
    release();
    await expect.poll(revocations).toBe(2);
    await ada.close();
  });

  test("a session that the issuer does not renew goes on until the token expires, and then the page says why", async () => {
    const ttl = 24;
    const at = await stage({ accessTokenTTL: ttl });
    const before = Date.now();
    const ada = await open(at);
    await signIn(ada.page);
    const elsewhere = await ada.context.newPage();
    await elsewhere.goto(`${at.provider.url}/session/end`);
    await elsewhere.getByRole("button", { name: "Yes, sign me out" }).click();
    await elsewhere.getByText("Sign-out Success").waitFor();
    await elsewhere.close();
    await ada.page.waitForRequest((request) => request.url().includes("error=login_required"));
    await ada.page.locator("iframe").waitFor({ state: "detached" });
    await ada.go("Access"); // calls go on
    await ada.page.getByRole("region", { name: /IdentityService/ }).waitFor();
    const asked = () => count(at.provider.requests, /^GET \/auth\?.*prompt=none/);
    expect(asked()).toBe(1);
    await ada.page.getByText(/^You are signed out: [Yy]our session at localhost:\d+ has ended, or is not known to this page/).waitFor();
    expect(Date.now() - before).toBeGreaterThanOrEqual(ttl * 1000);
    expect(asked()).toBe(2);
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: /^Sign in with/ }).click();
    await ada.page.getByPlaceholder("Enter any login").waitFor();
    await ada.close();
  });

  test("an issuer whose keys cannot be fetched signs users in; page, readiness and log say what is missing, and the page goes on once it is there", async () => {
    const at = await stage({ away: true });
    at.provider.keyless = true;
    at.provider.serve(at.server.url + callbackOf(at.provider.url));
    const ada = await open(at);
    await expect
      .poll(async () => {
        await ada.page.reload();
        await ada.page.getByText(/Sign in with localhost|Try again/).waitFor();
        return ada.page.getByRole("button", { name: /^Sign in with localhost/ }).count();
      })
      .toBe(1);
    await signInThere(ada.page);
    await ada.page
      .getByText("The keys to check the token are not available now; try again shortly. Where the server runs, ostiary doctor says why. Trying again…")
      .waitFor();
    expect(await ada.barriers()).toEqual([]);
    const readiness = await fetch(`${at.server.url}/readyz`);
    expect(readiness.status).toBe(503);
    expect((await readiness.json()).issuers).toMatchObject([{ issuer: at.provider.url, ready: false, keys: 0 }]);
    expect(at.server.log).toContain(
      `reason=KEYS_UNAVAILABLE cause="key \\"one\\" of ${at.provider.url}: the key set is unavailable: ${at.provider.url}/jwks answered with status 503"`,
    );
    at.provider.keyless = false;
    await ada.page.getByTestId("caller").getByText("ada").waitFor();
    await ada.close(/503/);
  });

  test("an issuer of another site, whose cookies no frame has, wants the user to sign in again", async () => {
    const at = await stage({ accessTokenTTL: 8, host: "127.0.0.1" });
    const ada = await open(at);
    await signIn(ada.page);
    await ada.page.getByText(/[Yy]our session at 127\.0\.0\.1:\d+ has ended, or is not known to this page/).waitFor();
    await ada.page.getByRole("button", { name: /^Sign in with/ }).click(); // the issuer still knows
    await ada.page.getByTestId("caller").getByText("ada").waitFor();
    await ada.close();
  });

  test("a user who has signed out elsewhere is signed out when the token is renewed", async () => {
    const at = await stage({ accessTokenTTL: 8, refreshTokens: true });
    const ada = await open(at);
    await signIn(ada.page);
    const elsewhere = await ada.context.newPage();
    await elsewhere.goto(`${at.provider.url}/session/end`);
    await elsewhere.getByRole("button", { name: "Yes, sign me out" }).click();
    await elsewhere.getByText("Sign-out Success").waitFor();
    await ada.page.getByText(/[Yy]our session at localhost:\d+ has ended/).waitFor();
    expect(await kept(ada.page)).toContain('"session":{}');
    await ada.close(/400/);
  });

  test("somebody else who signs in at the issuer does not take over the window", async () => {
    const at = await stage({ accessTokenTTL: 8 });
    const ada = await open(at);
    await signIn(ada.page);
    const elsewhere = await ada.context.newPage();
    await elsewhere.goto(`${at.provider.url}/session/end`);
    await elsewhere.getByRole("button", { name: "Yes, sign me out" }).click();
    await elsewhere.goto(at.server.url);
    await signIn(elsewhere, "ben");
    await ada.page.getByText(/has ended, or is not known|[Ss]omebody else has signed in at localhost/).waitFor();
    expect(await ada.page.getByTestId("caller").count()).toBe(0);
    await ada.close();
  });

  test("several windows have tokens of their own", async () => {
    const at = await stage({ accessTokenTTL: 8, refreshTokens: true });
    const ada = await open(at);
    await signIn(ada.page);
    const second = await ada.context.newPage();
    await second.goto(at.server.url);
    await second.getByRole("button", { name: /^Sign in with/ }).click();
    await second.getByTestId("caller").getByText("ada").waitFor();
    const before = count(at.provider.requests, /^POST \/token/);
    await expect.poll(() => count(at.provider.requests, /^POST \/token/)).toBeGreaterThan(before + 2);
    for (const page of [ada.page, second]) {
      await page.getByText("WatchIdentity is open").waitFor();
    }
    await ada.close();
  });

  test("signing out ends the session at the issuer, and the refresh token", async () => {
    const at = await stage({ refreshTokens: true });
    const ada = await open(at);
    await signIn(ada.page);
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByRole("button", { name: "Yes, sign me out" }).click();
    await ada.page.getByText("You have signed out.").waitFor();
    expect(await kept(ada.page)).toContain('"session":{}');
    expect(count(at.provider.requests, /^POST \/token\/revocation/)).toBe(1);
    await ada.page.getByRole("button", { name: /^Sign in with/ }).click();
    await ada.page.getByPlaceholder("Enter any login").waitFor(); // it asks anew
    await ada.close();
  });

  test("a user who stays signed in at the issuer learns it", async () => {
    const at = await stage();
    const ada = await open(at);
    await signIn(ada.page);
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByRole("button", { name: "Yes, sign me out" }).waitFor();
    await ada.page.goBack();
    await ada.page.getByText(/has not said whether your session there has ended/).waitFor();
    await ada.close();
  });

  test("an issuer that has no sign-out goes on, and the user is told", async () => {
    const at = await stage({ logout: false });
    const ada = await open(at);
    await signIn(ada.page);
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByText(/^You have left\. Your session at localhost:\d+ goes on\.$/).waitFor();
    await ada.close();
  });

  test("a user who refuses is told so", async () => {
    const at = await stage();
    const ada = await open(at);
    await ada.page.getByRole("button", { name: /^Sign in with/ }).click();
    await ada.page.getByRole("link", { name: "Cancel" }).click();
    await ada.page.getByText(/has not let you in: you have refused/).waitFor();
    expect(await kept(ada.page)).not.toMatch(/access_denied|state=/);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("a redirect URI that is not registered is named when the user comes back", async () => {
    const at = await stage({ redirectURI: "https://elsewhere.example.com/console/callback" });
    const ada = await open(at);
    await ada.page.getByRole("button", { name: /^Sign in with/ }).click();
    await ada.page.getByText("invalid_redirect_uri").waitFor();
    await ada.page.goBack();
    await ada.page.getByText(`it must have ${at.server.url}${callbackOf(at.provider.url)} as a redirect URI of the client console`).waitFor();
    await ada.close(/400/);
  });

  test("the page says what to register, before anybody can sign in", async () => {
    const at = await stage({ away: true });
    const ada = await open(at);
    await ada.page.getByText("For operators: what to register at the issuer").click();
    await ada.page.getByText(at.server.url + callbackOf(at.provider.url), { exact: true }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("a token that the server does not accept is refused with its reason, and the session can be ended", async () => {
    const at = await stage({ audience: "another" });
    const ada = await open(at);
    await signInThere(ada.page);
    await ada.page.getByText(/The server refuses your token: .*\(AUDIENCE_MISMATCH\)/).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: /^Sign out at localhost/ }).click();
    await ada.page.getByRole("button", { name: "Yes, sign me out" }).click();
    await ada.page.getByText("You have signed out.").waitFor();
    await ada.close(/401/);
  });

  test("an access token that is no JWT is explained by the settings", async () => {
    const at = await stage({ resource: "" });
    const ada = await open(at);
    await signInThere(ada.page);
    await ada.page.getByText(/an access token that is not a JWT.*console_audience or console_resource/).waitFor();
    await ada.close();
  });

  test("an issuer that is away at the start is asked again when the page is loaded again", async () => {
    const at = await stage({ away: true });
    const ada = await open(at);
    await ada.page.getByText(/Nobody can sign in with localhost:\d+ now/).waitFor();
    expect(await ada.barriers()).toEqual([]);
    at.provider.serve(at.server.url + callbackOf(at.provider.url));
    await expect
      .poll(async () => {
        await ada.page.reload();
        await ada.page.getByText(/Sign in with localhost|Try again/).waitFor();
        return ada.page.getByRole("button", { name: /^Sign in with localhost/ }).count();
      })
      .toBe(1);
    expect(await ada.barriers()).toEqual([]);
    await signIn(ada.page);
    await ada.close();
  });
});
