import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server, withoutSqlite } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

const many = 10_000;

/** Rows of a table of numbers up to many. */
const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${many})`;

/** A server with many sessions of many users, and many revocations. */
async function withMany(): Promise<Server> {
  const server = await Server.start("--operator-subjects", "user_ada");
  const now = Date.now() * 1000;
  const later = now + 86_400_000_000;
  await server.seed(`
    INSERT INTO sessions (issuer, session_id, subject, organization, authorized_party, user_agent, address, first_seen, last_seen,
      token_id, client_id, actor_issuer, actor_subject, actor_session_id, actor_type, issued_at, expires_at)
    ${numbers} SELECT '${server.url}', 'sess_many_' || i, 'user_' || (i % 1000), '', '', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0', '192.0.2.1',
      ${now} - i * 1000000, ${now}, '', '', '', '', '', '', ${now}, ${later} FROM n;
    INSERT INTO revocations (kind, issuer, value, subject, issued_before, expires_at, created_at, origin, by_issuer, by_subject, by_client_id, by_session_id,
      actor_issuer, actor_subject, actor_session_id, actor_type, cause)
    ${numbers} SELECT 'subject', '${server.url}', 'gone_' || i, '', ${now}, ${later}, ${now} - (${many} - i) * 1000000, 'caller', '${server.url}', 'user_ada', '', '',
      '', '', '', '', 'cause ' || (i % 7) FROM n;`);
  return server;
}

describe.skipIf(withoutChromium || withoutSqlite)(`a server with ${many} sessions and as many revocations`, () => {
  const stage = staged(withMany);

  test("shows the sessions as they are scrolled to, and few of them at a time", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/sessions`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.row("this window").waitFor();
    await ada.row("sess_many_9,").or(ada.row("sess_many_9")).first().waitFor();
    expect((await ada.rows()).inDocument).toBeLessThan(60);
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: "End the session of user_7, sess_many_7", exact: true }).click();
    await ada.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });
    await ada.page.getByRole("button", { name: "End the session of user_7, sess_many_7", exact: true }).waitFor({ state: "detached" });
    const download = ada.page.waitForEvent("download");
    await ada.page.getByRole("button", { name: "CSV" }).click();
    await download;
    await ada.page.getByText(`${(many + 1).toLocaleString("en-US")} saved`).waitFor();
    await ada.close();
  });

  test("finds, counts and orders sessions that were never read", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/sessions`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    const count = (text: string | RegExp) => ada.page.getByText(text, { exact: true }).waitFor();
    await count(/^10,00\d sessions$/);
    expect(await ada.row("sess_many_9876").count()).toBe(0);
    await ada.page.getByRole("searchbox").fill("sess_many_9876");
    await ada.row("sess_many_9876").waitFor();
    await count("1 session");
    expect(await ada.barriers()).toEqual([]);

    // What the stream brings is announced where it matches, and nothing moves.
    await ada.page.getByText("live", { exact: true }).waitFor();
    await stage.server.call("ben", { sid: "another" });
    await stage.server.call("ben", { sid: "sess_many_98760" });
    await ada.page.getByRole("button", { name: "1 new", exact: true }).waitFor();
    expect(await ada.row("sess_many_98760").count()).toBe(0);
    await ada.showNew();
    await ada.row("sess_many_98760").waitFor();
    await count("2 sessions");

    await ada.page.getByRole("searchbox").fill("user_123");
    await count("10 sessions");
    await ada.page.getByRole("searchbox").fill("nobody");
    await ada.page.getByText("No session matches.").waitFor();
    await ada.page.getByRole("searchbox").fill("");
    await ada.page.getByRole("button", { name: "Expired" }).click();
    await count("0 sessions");
    await ada.page.getByRole("button", { name: "All", exact: true }).click();
    await ada.page.getByRole("combobox", { name: "Order" }).selectOption("oldest");
    const oldest = ada.page.getByRole("row").nth(2); // behind the window's own, which is always first
    await expect.poll(() => oldest.innerText()).toContain(`sess_many_${many}`);
    await oldest.getByRole("button").first().click();
    await ada.details.getByText(`sess_many_${many}`).waitFor();
    await ada.page.setViewportSize({ width: 380, height: 760 });
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("groups all sessions by their users, and counts those of each", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/sessions?group=subject`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    const group = (name: string) => ada.page.getByRole("button", { name, exact: true });
    const first = ada.page.getByRole("row").nth(1).getByRole("button").first();
    await group("10 sessions of user_0").waitFor();
    await group("10 sessions of user_100").waitFor(); // behind 1 and 10
    expect(await first.getAttribute("aria-label")).toBe("10 sessions of user_0");
    expect(await ada.barriers()).toEqual([]);
    const lefts = (row: number) =>
      ada.page
        .getByRole("row")
        .nth(row)
        .evaluate((row) => [...row.children].map((cell) => Math.round(cell.getBoundingClientRect().left)));
    const badge = ada.page.getByText("10 active", { exact: true }).first();
    for (const width of [2560, 1440]) {
      await ada.page.setViewportSize({ width, height: 900 });
      await expect.poll(() => lefts(1)).toEqual(await lefts(0));
      expect(await badge.evaluate(({ parentElement: cell }) => cell!.scrollWidth - cell!.clientWidth)).toBe(0);
    }
    await group("10 sessions of user_10").click();
    await ada.row("sess_many_10").first().waitFor();
    expect(await ada.page.locator("tr[data-indented]").count()).toBe(10);

    // One that is new is announced, and is the first of its user's.
    await stage.server.call("ben", { sub: "user_10", sid: "sess_more" });
    await ada.page.getByRole("button", { name: "1 new", exact: true }).waitFor();
    expect(await group("10 sessions of user_10").count()).toBe(1);
    await ada.showNew();
    await group("11 sessions of user_10").waitFor();
    expect(await first.getAttribute("aria-label")).toBe("10 sessions of user_0");
    expect(await ada.page.locator("tr[data-indented]").first().innerText()).toContain("sess_more");
    // So is one of a user who was not seen before; what is behind the pages that were read comes with another.
    await stage.server.call("ben", { sub: "user_zoe", sid: "sess_zoe" });
    await stage.server.call("ben", { sub: "aaron", sid: "sess_aaron" });
    await ada.showNew();
    await group("1 session of aaron").waitFor();
    expect(await first.getAttribute("aria-label")).toBe("1 session of aaron");
    await ada.page.getByRole("button", { name: "End all sessions of user_10", exact: true }).click();
    await ada.page.getByRole("dialog", { name: "Sign out user_10 everywhere?" }).waitFor();
    await ada.page.getByRole("button", { name: "Cancel" }).click();
    await group("11 sessions of user_10").click();

    const scroll = () => ada.page.locator("table").evaluate((table) => table.parentElement!.scrollBy(0, 1e6));
    await expect
      .poll(
        async () => {
          await scroll();
          return group("1 session of user_zoe").count();
        },
        { timeout: 60_000 },
      )
      .toBe(1);
    const ofOthers = (await ada.page.locator("tr[data-group]").allInnerTexts()).filter((text) => /user_\d/.test(text));
    expect(ofOthers.length).toBeGreaterThan(10);
    expect(ofOthers.filter((text) => !text.includes("10 sessions"))).toEqual([]);
    expect((await ada.rows()).all).toBeGreaterThanOrEqual(1000 + 3);
    expect((await ada.rows()).inDocument).toBeLessThan(60);
    await ada.page.setViewportSize({ width: 380, height: 760 });
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("finds one of the revocations, and makes another", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/revocations`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByRole("row", { name: `gone_${many}` }).waitFor(); // the latest first
    await ada.page.getByText(/^10.00[01] revocations$/).waitFor();
    expect((await ada.rows()).inDocument).toBeLessThan(60);
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("searchbox").fill("gone_4321");
    await ada.page.getByRole("button", { name: "Details of User gone_4321" }).click();
    await ada.details.getByText("Tokens that were issued before are refused.").waitFor();
    await ada.details.getByText("cause 2").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByText("1 revocation", { exact: true }).waitFor();
    await ada.page.getByRole("button", { name: "Revoke…" }).click();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByLabel("Subject").fill("user_8");
    await ada.page.getByRole("button", { name: "Continue" }).click();
    await ada.page.getByRole("dialog").getByText("Ends 10 sessions of 1 user.").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: "Cancel" }).click();
    await ada.page.getByRole("button", { name: "Revoke…" }).click();
    await ada.page.getByRole("dialog").getByRole("combobox", { name: "Of" }).selectOption("issuer");
    expect(await ada.page.getByLabel("All, those to come as well").count()).toBe(0);
    await ada.page.getByRole("button", { name: "Continue" }).click();
    await ada.page.getByRole("dialog").getByText("Your own token is among them: this window is signed out, too.").waitFor();
    await ada.page
      .getByRole("dialog")
      .getByText(/^It holds until .*, and cannot be taken back\.$/)
      .waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: "Cancel" }).click();
    await ada.page.getByRole("button", { name: "Revoke…" }).click();
    await ada.page.getByRole("dialog").getByRole("combobox", { name: "Of" }).selectOption("client");
    await ada.page.getByLabel("Client id").fill("crm");
    await ada.page.getByLabel("All, those to come as well").check();
    await ada.page.getByRole("button", { name: "Continue" }).click();
    const dialog = ada.page.getByRole("dialog", { name: "Revoke the tokens of this client?" });
    await dialog.getByText("those that are issued later as well").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await dialog.getByLabel("Cause").fill("the key has leaked");
    await dialog.getByRole("button", { name: "Revoke" }).click();
    await dialog.waitFor({ state: "detached" });
    await ada.page.getByRole("searchbox").fill("leaked");
    await ada.page.getByRole("button", { name: "Details of Client crm" }).click();
    await ada.details.getByRole("link", { name: "Revocations by user_ada" }).waitFor();
    expect(ada.requests.filter((path) => path.endsWith("/RevokeTokens"))).toHaveLength(1);
    await ada.page.setViewportSize({ width: 380, height: 760 });
    await ada.page.emulateMedia({ forcedColors: "active" });
    await ada.page.keyboard.press("Escape");
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("ends all sessions of a user in three steps from the first page", async () => {
    const ada = await Window.open(stage.browser, stage.server.url, { width: 380, height: 760 });
    await ada.signIn("ada");
    await ada.page.keyboard.press("Control+k");
    await ada.page.getByRole("combobox", { name: /^Find/ }).fill("user_77");
    await ada.page.getByRole("option", { name: "Users that begin with “user_77”" }).click();
    const end = ada.page.getByRole("button", { name: "End all sessions of user_77", exact: true });
    await end.click();
    await ada.page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
    await end.waitFor({ state: "detached" });
    await ada.page.getByRole("button", { name: "End all sessions of user_770", exact: true }).waitFor();
    await ada.close();
  });
});
