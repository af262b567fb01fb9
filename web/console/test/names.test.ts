import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

// As long as Clerk's are.
const subject = "user_2ZqWGQY8Fj4Wc3hGJ1kQnT9vXyz";
const support = "user_2supportY8Fj4Wc3hGJ1kQnT9v";
const session = "sess_2ZqWGQY8Fj4Wc3hGJ1kQnT9vXyz";

describe.skipIf(withoutChromium)("names that others have chosen", () => {
  const stage = staged();

  /** Opens the console as ben, but for what the claims say. */
  async function open(width: number, claims: Record<string, unknown>): Promise<Window> {
    const window = await Window.open(stage.browser, stage.server.url, { width, height: 700 });
    const token = await stage.server.token("ben", { sid: session, ...claims });
    await window.page.route("**/dev/token", (route) => route.fulfill({ json: { token } }));
    await window.page.getByRole("button", { name: "Sign in as ben" }).click();
    await window.page.getByText("WatchIdentity is open").waitFor();
    return window;
  }

  test.each([320, 380, 768, 1280, 2560])("leave room for the way out, where %i pixels are all there is", async (width) => {
    for (const claims of [{ sub: subject }, { sub: subject, act: { sub: support, iss: stage.server.url, sid: "sess_1" } }]) {
      const window = await open(width, claims);
      const out = (await window.page.getByRole("button", { name: "Sign out" }).boundingBox())!;
      expect(out.x).toBeGreaterThanOrEqual(0);
      expect(out.x + out.width).toBeLessThanOrEqual(width);
      expect(out.y + out.height).toBeLessThanOrEqual(700);
      expect(await window.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      expect(await window.page.getByTestId("caller").getAttribute("title")).toContain(subject);
      await window.close();
    }
  });

  test.each([
    ["of 240 characters", `auth0|${"5f7c8ec7c33c6c004bbafe82".repeat(10)}`.slice(0, 240), "s".repeat(240)],
    ["of Google", "google-oauth2|103547991597142817347", "sess_google"],
    ["of Entra", "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "00000000-0000-0000-66f3-3332eca7ea81"],
    ["from right to left", "مستخدم-١٢٣", "sess_bidi"],
  ])("break nothing on a telephone: a subject and a session %s", async (_, sub, sid) => {
    const window = await open(380, { sub, sid });
    await window.go("Sessions");
    await window.row(sid).waitFor();
    expect(await window.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    const end = (await window
      .row(sid)
      .getByRole("button", { name: /^End the session/ })
      .boundingBox())!;
    expect(end.x + end.width).toBeLessThanOrEqual(380);
    await window
      .row(sid)
      .getByRole("button", { name: /^Details/ })
      .click();
    await window.details.waitFor();
    expect(await window.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await window.details.evaluate((panel) => panel.scrollWidth <= panel.clientWidth)).toBe(true);
    expect(await window.barriers()).toEqual([]);
    await window.close();
  });

  test("say who acts for whom", async () => {
    const window = await open(1280, { act: { sub: "user_support", iss: stage.server.url, sid: "sess_1" } });
    await expect.poll(() => window.page.getByTestId("caller").innerText()).toMatch(/^user_support\s+acting as\s+user_ben$/);
    expect(await window.barriers()).toEqual([]);
    await window.close();
  });

  test("say whose sessions are used by somebody else", async () => {
    const window = await open(380, { act: { sub: support, iss: stage.server.url, sid: "sess_1" } });
    await window.go("Sessions");
    const row = window.row(session);
    await row.getByText("impersonated").waitFor();
    expect(await window.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await window.barriers()).toEqual([]);
    await row.getByRole("button", { name: "End the session of user_ben" }).click();
    expect(await window.page.getByRole("dialog").innerText()).toMatch(new RegExp(`Impersonated by\\s+${support}`));
    await window.close();
  });

  test("cannot turn the direction of what is read", async () => {
    const window = await open(1000, { sub: "user_\u202eneb" });
    expect(await window.page.getByTestId("caller").innerText()).toBe("user_\\u202eneb");
    await window.go("Sessions");
    await window.page.getByRole("button", { name: "Details of user_\\u202eneb" }).waitFor();
    await window.page.getByRole("button", { name: "End the session of user_\\u202eneb" }).click();
    expect(await window.page.locator("body").innerText()).not.toContain("\u202e");
    await window.close();
  });
});
