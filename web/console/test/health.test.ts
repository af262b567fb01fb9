import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server, withoutSqlite } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("the page of the server's health", () => {
  const stage = staged(() => Server.start("--operator-subjects", "user_ada"));

  test("shows the parts of the server, and is reached with the keyboard", async () => {
    const ada = await Window.open(stage.browser, stage.server.url, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByRole("link", { name: "Health" }).waitFor();
    await ada.page.getByRole("heading", { level: 1 }).focus();
    await ada.page.keyboard.press("g");
    await ada.page.keyboard.press("h");
    await ada.page.getByRole("heading", { level: 1, name: "Health" }).waitFor();
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    expect(await ada.page.getByText("No problems").count()).toBe(1); // announced, and read once
    await ada.page.getByText("ready", { exact: true }).waitFor();
    const issuer = ada.page.getByRole("region", { name: /^Issuer/ });
    await issuer.getByText("yes: without its keys the server is not ready").waitFor();
    await issuer.getByText("RS256", { exact: true }).waitFor({ state: "attached" });
    await ada.page
      .getByRole("region", { name: /^Database/ })
      .getByText("SQLite")
      .waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.setViewportSize({ width: 380, height: 760 });
    await ada.page.emulateMedia({ colorScheme: "dark", forcedColors: "active" });
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await ada.barriers()).toEqual([]);
    // Of eight pages some fit, which keep their places.
    const pages = ada.page.getByRole("navigation");
    expect(await pages.evaluate((nav) => nav.scrollWidth <= nav.clientWidth)).toBe(true);
    const health = pages.getByRole("link", { name: "Health" });
    const place = await health.boundingBox();
    await pages.getByRole("button", { name: "More" }).click();
    await ada.page.getByRole("option", { name: /^Documentation/ }).waitFor();
    await ada.page.getByRole("combobox").fill("user_ben");
    await ada.page.getByRole("option", { name: "Decisions about “user_ben”" }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("combobox").fill("me");
    await ada.page.getByRole("option", { name: /^Me / }).click();
    await ada.page.getByRole("heading", { level: 1, name: "Me", exact: true }).waitFor();
    expect(await health.boundingBox()).toEqual(place);
    await ada.close();
  });

  test.skipIf(withoutSqlite)("says what is wrong, why, and what to do about it, until it is well again", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/health`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    stage.server.spoil("ALTER TABLE revocations RENAME TO gone");
    await ada.page.getByRole("heading", { name: "1 problem" }).waitFor();
    const problem = ada.page.getByRole("listitem").filter({ hasText: "The database does not answer." });
    await problem.getByText("Bring the database back").waitFor();
    await problem.getByText("no such table: revocations").waitFor();
    await ada.page.getByRole("region", { name: "Database failing" }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.emulateMedia({ colorScheme: "dark" });
    expect(await ada.barriers()).toEqual([]);
    stage.server.spoil("ALTER TABLE gone RENAME TO revocations");
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    await ada.close();
  });

  test("shows nothing as well while the server is away, and says when it was", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/health`);
    await ada.signIn("ada");
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    await stage.server.kill();
    await ada.page.getByRole("alert").waitFor();
    await ada.page.getByText("How the server is now is not known. It last answered").waitFor();
    expect(await ada.page.getByText("ready", { exact: true }).count()).toBe(0);
    expect(await ada.page.getByRole("heading", { name: "No problems" }).count()).toBe(0);
    await stage.server.restart();
    await ada.page.getByRole("alert").waitFor({ state: "detached" });
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    await ada.close(/./);
  });

  test("is not offered to others, who are told why", async () => {
    const ben = await Window.open(stage.browser, stage.server.url);
    await ben.signIn("ben");
    await ben.page.getByText("WatchIdentity is open").waitFor();
    expect(await ben.page.getByRole("link", { name: "Health" }).count()).toBe(0);
    await ben.page.goto(`${stage.server.url}/health`);
    await ben.page.getByRole("alert").getByText("PERMISSION_REQUIRED").waitFor();
    await ben.close(/403/);
  });
});
