import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

/** Counts what the user does in the page: clicks, and keys that are pressed. */
async function countInteractions(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const counter = globalThis as unknown as { interactions: number };
    counter.interactions = 0;
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      addEventListener(type, () => counter.interactions++, { capture: true, passive: true });
    }
  });
  return () => page.evaluate(() => (globalThis as unknown as { interactions: number }).interactions);
}

describe.skipIf(withoutChromium)("sessions in bulk", () => {
  const stage = staged(() => Server.start("--operator-subjects", "user_ada"));

  async function operator(path: string, size = { width: 1440, height: 900 }) {
    const ada = await Window.open(stage.browser, `${stage.server.url}${path}`, size);
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    return ada;
  }

  test("somebody's session is ended in three interactions from the start page", async () => {
    await stage.server.call("ben", { sid: "sess_lost_laptop" });
    const ada = await Window.open(stage.browser, stage.server.url, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByText("WatchIdentity is open").waitFor();
    const interactions = await countInteractions(ada.page);
    await ada.page.getByRole("link", { name: "Sessions" }).click();
    await ada.page.getByRole("button", { name: "End the session of user_ben, sess_lost_laptop" }).click();
    await ada.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ada.row("sess_lost_laptop").getByText("ended", { exact: true }).waitFor();
    expect(await interactions()).toBe(3);
    await ada.close();
  });

  test("those that are selected are ended together, for a cause, and the window's own comes last", async () => {
    for (let i = 0; i < 7; i++) {
      await stage.server.call("ben", { sid: `sess_bulk_${i}` });
    }
    const ada = await operator("/sessions?q=sess_");
    const box = (id: string) => ada.row(id).getByRole("checkbox");
    await box("sess_bulk_1").check();
    await box("sess_bulk_5").click({ modifiers: ["Shift"] });
    const bar = ada.page.getByRole("group", { name: "Selected sessions" });
    await bar.getByText("5 selected").waitFor();
    await box("sess_bulk_3").uncheck();
    await ada.row("this window").getByRole("checkbox").check();
    expect(await ada.barriers()).toEqual([]);
    await bar.getByRole("button", { name: "End 5 sessions" }).click();
    expect(await ada.barriers()).toEqual([]);
    const sent: { session: { sessionId: string }; cause: string }[] = [];
    let fail = true;
    await ada.page.route("**/RevokeSession", async (route) => {
      const request = route.request().postDataJSON();
      if (fail && sent.length === 2) {
        fail = false;
        await route.abort();
      } else {
        sent.push(request);
        await route.continue();
      }
    });
    await ada.page.getByLabel("Cause").fill("the office was robbed");
    const end = ada.page.getByRole("button", { name: "End 5 sessions" }).last();
    await end.click();
    await ada.page.getByRole("dialog").getByText("The server cannot be reached.").waitFor(); // once
    await end.click(); // goes on with those that are left
    await ada.page.getByText("Your session was ended.").waitFor();
    expect(sent.map(({ cause }) => cause)).toEqual(Array(5).fill("the office was robbed"));
    const ids = sent.map(({ session }) => session.sessionId);
    expect(ids.slice(0, 4).sort()).toEqual(["sess_bulk_1", "sess_bulk_2", "sess_bulk_4", "sess_bulk_5"]);
    expect(ids[4]).not.toMatch(/^sess_bulk/);
    await ada.close(/net::ERR_|401/);
  });

  test("none is ended any more after the dialog is closed", async () => {
    for (let i = 0; i < 5; i++) {
      await stage.server.call("ben", { sid: `sess_stopped_${i}` });
    }
    const ada = await operator("/sessions?q=sess_stopped");
    await ada.page.getByRole("checkbox", { name: "Select all sessions that are shown" }).check();
    await ada.page.getByRole("button", { name: "End 5 sessions" }).click();
    const [sent, stopped]: [string[], string[]] = [[], []];
    const hold = new Promise<void>(() => {});
    await ada.page.route("**/RevokeSession", (route) => {
      sent.push(route.request().postDataJSON().session.sessionId);
      return sent.length === 1 ? route.continue() : hold;
    });
    ada.page.on("requestfailed", (request) => request.url().endsWith("/RevokeSession") && stopped.push(request.postDataJSON().session.sessionId));
    const dialog = ada.page.getByRole("dialog");
    await dialog.getByRole("button", { name: "End 5 sessions" }).click();
    await dialog.getByText("1 of 5 have ended").waitFor();
    await expect.poll(() => sent.length).toBe(4); // three at a time
    await dialog.getByRole("button", { name: "Stop" }).click();
    await dialog.waitFor({ state: "detached" });
    await expect.poll(() => stopped.length).toBe(3);
    await ada.row(sent[0]!).getByText("ended", { exact: true }).waitFor();
    await ada.page.getByText("4 selected").waitFor();
    expect(stopped).toEqual(sent.slice(1));
    await ada.close();
  });

  test("one is ended for a cause that was corrected, although it may have ended for another", async () => {
    await stage.server.call("ben", { sid: "sess_corrected" });
    const ada = await operator("/sessions?q=sess_corrected");
    let lost = 0;
    await ada.page.route("**/RevokeSession", async (route) => {
      if (lost++ === 0) {
        await route.fetch(); // the server has done it
        await route.abort();
      } else {
        await route.continue();
      }
    });
    await ada.page.getByRole("button", { name: "End the session of user_ben, sess_corrected" }).click();
    const dialog = ada.page.getByRole("dialog");
    const end = dialog.getByRole("button", { name: "End the session", exact: true });
    await dialog.getByLabel("Cause").fill("the office was rubbed");
    await end.click();
    await dialog.getByText("The server cannot be reached.").waitFor();
    await dialog.getByLabel("Cause").fill("the office was robbed");
    await end.click();
    await dialog.waitFor({ state: "detached" });
    await ada.row("sess_corrected").getByText("ended", { exact: true }).waitFor();
    await ada.close(/net::ERR_/);
  });

  test("they are grouped by user, and all of a user's are ended at once", async () => {
    for (let i = 0; i < 3; i++) {
      await stage.server.call("cleo", { sid: `sess_group_${i}` });
    }
    const ada = await operator("/sessions");
    await ada.page.getByRole("button", { name: "Group by user" }).click();
    const group = ada.page.getByRole("button", { name: "3 sessions of user_cleo" });
    expect(await ada.row("sess_group_1").count()).toBe(0);
    await group.click();
    await ada.row("sess_group_1").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("checkbox", { name: "Select all sessions of user_cleo" }).check();
    await ada.page.getByText("3 selected").waitFor();
    await ada.page.reload(); // the address has the grouping
    await ada.page.getByRole("button", { name: "End all sessions of user_cleo" }).click();
    await ada.page.getByRole("dialog", { name: "Sign out user_cleo everywhere?" }).waitFor();
    await ada.page.getByLabel("Cause").fill("left the company");
    await ada.page.getByRole("button", { name: "Sign out everywhere" }).click();
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });
    await ada.page.getByRole("button", { name: "End all sessions of user_cleo" }).waitFor({ state: "detached" });
    await group.click();
    await ada.row("sess_group_1").getByText("ended", { exact: true }).waitFor();
    await ada.close();
  });

  test("what matches is saved as a CSV file that runs nothing in a spreadsheet", async () => {
    await stage.server.call("ben", { sid: '=HYPERLINK("https://example.com","a")', sub: "@user,ben" });
    await stage.server.call("ben", { sid: "sess_saved" });
    const ada = await operator("/sessions");
    await ada.page.getByRole("searchbox").fill("@user");
    await ada.page.getByText("1 session", { exact: true }).waitFor();
    const download = ada.page.waitForEvent("download");
    await ada.page.getByRole("button", { name: "CSV" }).click();
    const file = await download;
    expect(file.suggestedFilename()).toMatch(/^sessions-\d{4}-\d\d-\d\d\.csv$/);
    const [head, line, ...others] = readFileSync(await file.path(), "utf8").split("\r\n");
    expect(head).toMatch(/^\ufeff"issuer","subject","session_id","state",/);
    expect(line).toContain(`"${stage.server.url}","'@user,ben","'=HYPERLINK(""https://example.com"",""a"")","active",`);
    expect(others).toEqual([""]);
    await ada.page.getByText("1 saved").waitFor();
    await ada.close();
  });

  test("no file is saved any more after the page was left", async () => {
    const ada = await operator("/sessions");
    await ada.page.route("**/ListSessions", () => {}); // no answer
    const stopped = ada.page.waitForEvent("requestfailed", (request) => request.url().endsWith("/ListSessions"));
    await ada.page.getByRole("button", { name: "CSV" }).click();
    await ada.page.getByText("0 read…").waitFor();
    await ada.go("Me");
    await stopped;
    await ada.close();
  });

  test.each([380, 1440])("they can be selected in a window of %i pixels, in forced colours too", async (width) => {
    await stage.server.call("ben", { sid: `sess_narrow_${width}` });
    const ada = await operator("/sessions", { width, height: 800 });
    await ada.page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    await ada.page.getByRole("checkbox", { name: `Select the session of user_ben, sess_narrow_${width}` }).check();
    await ada.page.getByRole("button", { name: "End 1 session" }).waitFor();
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });
});
