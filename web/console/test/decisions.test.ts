import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("the pages for operators", () => {
  const stage = staged(() => Server.start("--operator-subjects", "user_ada", "--operator-permission", "org:invoices:delete"));

  /** Makes a call that is refused with PERMISSION_REQUIRED, and returns its request id, which is in the error. */
  const refuse = async (subject: string): Promise<string> => {
    const method = "revocation.v1.RevocationService/ListRevocations";
    const refusal = stage.server.call("ben", { sub: subject }, method);
    await expect(refusal).rejects.toThrow("403");
    const id = await refusal.catch((error: Error) => /"request_id":"([^"]+)"/.exec(error.message)?.[1]);
    return id ?? "";
  };

  test("show what was refused before the page was opened, count it, and find a call by its request id", async () => {
    const [id] = [await refuse("user_first"), await refuse("user_second"), await refuse("user_second")];
    expect(id).toMatch(/^[0-9a-z]{16}$/);
    const ada = await Window.open(stage.browser, `${stage.server.url}/decisions`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    const rows = ada.page.getByRole("row", { name: /refused.*ListRevocations.*PERMISSION_REQUIRED/ });
    await expect.poll(() => rows.count()).toBe(3);
    expect((await rows.first().innerText()).includes("user_second")).toBe(true); // the latest
    const counted = ada.page.getByRole("listitem").filter({ has: ada.page.getByRole("button", { name: "PERMISSION_REQUIRED" }) });
    expect(await counted.innerText()).toMatch(/PERMISSION_REQUIRED\s*3/);
    await ada.page.getByText(/, all since /).waitFor();
    await refuse("user_second");
    await expect.poll(() => counted.innerText()).toMatch(/PERMISSION_REQUIRED\s*4/);

    await ada.page.getByRole("combobox", { name: "Search by" }).selectOption("Request id");
    await ada.page.getByRole("searchbox", { name: "Request id" }).fill(id);
    await ada.page.keyboard.press("Enter");
    await ada.page.waitForURL(`**/decisions?request=${id}`);
    await expect.poll(() => rows.count()).toBe(1);
    await rows.getByRole("button").click();
    await ada.details.getByText(/^[0-9a-f]{16}$/).waitFor(); // the hash of the token
    await ada.details.getByText("ostiary/revocation/v1/revocation_service.proto").waitFor();
    await ada.details.getByRole("link", { name: "Decisions about this call" }).click();
    await expect.poll(() => ada.page.getByRole("row", { name: /user_first/ }).count()).toBe(2); // it was admitted by its rule, and refused by the handler
    expect(await ada.barriers()).toEqual([]);

    await ada.page.getByRole("searchbox", { name: "Request id" }).fill("nothing");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText(/No decision matches[.] The server has all since /).waitFor();
    await ada.page.getByText("Ask the server that took the call.").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("show all that was decided in a window that joins another of the same session", async () => {
    await refuse("user_before");
    const ada = await Window.open(stage.browser, `${stage.server.url}/decisions`);
    await ada.signIn("ada");
    await ada.page.getByRole("row", { name: /refused.*user_before/ }).waitFor();
    await refuse("user_between");
    await ada.page.getByRole("row", { name: /refused.*user_between/ }).waitFor();
    const remembered = await ada.page.evaluate(() => sessionStorage.getItem("ostiary.persona") ?? "");
    const other = await ada.context.newPage();
    await other.addInitScript((text) => sessionStorage.setItem("ostiary.persona", text), remembered); // as when a tab is duplicated
    let asked = false;
    other.on("request", (request) => {
      asked ||= request.url().endsWith("/WatchDecisions");
    });
    await other.goto(`${stage.server.url}/decisions`);
    await other.getByRole("row", { name: /refused.*user_before/ }).waitFor();
    const rowsOf = async (page: typeof other) => (await page.getByRole("row").allInnerTexts()).length;
    await expect.poll(async () => (await rowsOf(other)) - (await rowsOf(ada.page))).toBe(0);
    expect(asked).toBe(false);
    await other.close();
    await ada.close();
  });

  test("show decisions live, why a call was refused, and what to do about it", async () => {
    const ada = await Window.open(stage.browser, stage.server.url, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.go("Decisions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await refuse("user_ben");
    const row = ada.page.getByRole("row", { name: /refused.*ListRevocations.*user_ben.*PERMISSION_REQUIRED/ });
    await row.waitFor();
    await ada.page.getByRole("button", { name: "PERMISSION_REQUIRED" }).waitFor(); // the chart's
    expect(await ada.barriers()).toEqual([]);
    await row.getByRole("button").click();
    await ada.details.getByText("Cause: the caller is no operator").waitFor();
    expect(await ada.details.getByRole("link", { name: "What to do about it" }).getAttribute("href")).toMatch(/^https:.*#permission_required$/);
    expect(await ada.barriers()).toEqual([]);

    await ada.page.getByRole("searchbox", { name: "Subject" }).press("Escape"); // is for the field
    await ada.page.getByRole("button", { name: "Skip to the page" }).press("Enter");
    expect(await ada.page.evaluate(() => document.activeElement?.id)).toBe("main");
    await ada.details.getByText("Cause: the caller is no operator").waitFor();

    const link = ada.page.url();
    const other = await ada.context.newPage();
    await other.goto(link);
    await other.getByRole("button", { name: "Sign in as ada" }).click();
    await other.getByText("This is what the link says.").waitFor();
    await other.getByRole("complementary").getByText("user_ben", { exact: true }).waitFor();
    await other.close();

    await ada.details.getByRole("link", { name: "Explain this with a token" }).click();
    await ada.page.getByText("A call was refused with PERMISSION_REQUIRED").waitFor();
    await ada.page.getByLabel("Token", { exact: true }).fill(`Authorization: "Bearer ${await stage.server.token("ben")}"\n`);
    await ada.page.getByRole("button", { name: "Check with this server" }).click();
    await ada.page.getByRole("listitem").filter({ hasText: "needs an operator" }).getByText("missing", { exact: true }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("hold decisions while they are paused, and filter them", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/decisions?outcome=refused`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await refuse("user_dan");
    await ada.page.getByRole("row", { name: /user_dan/ }).waitFor();
    await ada.page.getByRole("button", { name: "Pause" }).click();
    await refuse("user_cleo");
    await ada.page.getByText("1 new", { exact: true }).waitFor();
    expect(await ada.page.getByRole("row", { name: /user_cleo/ }).count()).toBe(0);
    await ada.page.getByRole("button", { name: "Go on" }).click();
    await ada.page.getByRole("row", { name: /user_cleo/ }).waitFor();
    await ada.page.getByRole("searchbox", { name: "Subject" }).fill("user_dan");
    const opened = ada.page.waitForRequest("**/WatchDecisions");
    await ada.page.keyboard.press("Enter");
    await opened;
    await ada.page.getByText("live", { exact: true }).waitFor();
    await refuse("user_cleo");
    await refuse("user_dan");
    await expect.poll(() => ada.page.getByRole("row", { name: /user_dan/ }).count()).toBe(2);
    expect(await ada.page.getByRole("row", { name: /user_cleo/ }).count()).toBe(0);
    await ada.close();
  });

  test("leave the focus where it is while others come, and give it back when the details are closed", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/decisions?outcome=refused`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await refuse("user_focus");
    await ada.page.getByRole("row", { name: /user_focus/ }).waitFor();
    await ada.page.getByRole("button", { name: "Pause" }).focus();
    const inRow = (name: string) => ada.page.evaluate((name) => document.activeElement?.closest("tr")?.textContent?.includes(name), name);
    await expect
      .poll(async () => {
        await ada.page.keyboard.press("Tab"); // over the chart
        return inRow("user_focus");
      })
      .toBe(true);
    const others = 40; // more than are in view
    for (let i = 0; i < others; i++) {
      await refuse("user_other");
    }
    await ada.page.getByText(`${others} new`, { exact: true }).waitFor();
    expect(await inRow("user_focus")).toBe(true);
    await ada.page.keyboard.press("Enter");
    await ada.details.getByText("Cause: the caller is no operator").waitFor();
    await ada.page.keyboard.press("Escape");
    await ada.details.waitFor({ state: "detached" });
    expect(await inRow("user_focus")).toBe(true);
    await ada.page.keyboard.press("Shift+Tab");
    await ada.page.getByText(`${others} new`).waitFor({ state: "detached" });
    await ada.close();
  });

  test("show what was decided before a filter is set", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/decisions`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await refuse("user_eve");
    await refuse("user_finn");
    const rows = [/user_eve.*PERMISSION_REQUIRED/, /user_finn.*PERMISSION_REQUIRED/].map((name) => ada.page.getByRole("row", { name }));
    await Promise.all(rows.map((row) => row.waitFor()));
    await ada.page.getByRole("button", { name: "PERMISSION_REQUIRED" }).click(); // the chart's
    await ada.page.waitForURL("**/decisions?reason=PERMISSION_REQUIRED");
    await Promise.all(rows.map((row) => row.waitFor()));
    await ada.page.getByRole("combobox", { name: "Reason" }).selectOption("TOKEN_EXPIRED");
    await ada.page.getByText("No decision matches. The server has refusals since").waitFor();
    await ada.close();
  });

  test("are not offered to others, who are told why", async () => {
    const ben = await Window.open(stage.browser, stage.server.url);
    await ben.signIn("ben");
    await ben.page.getByText("WatchIdentity is open").waitFor();
    expect(await ben.page.getByRole("link", { name: "Decisions" }).count()).toBe(0);
    await ben.page.goto(`${stage.server.url}/decisions`);
    await ben.page.getByRole("alert").getByText("PERMISSION_REQUIRED").waitFor();
    await ben.close(/403/);
  });

  test("are offered once the caller's permissions allow them", async () => {
    const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const ben = await Window.open(stage.browser, stage.server.url);
    await ben.signIn("ben", "3s");
    await ben.page.getByText("WatchIdentity is open").waitFor();
    expect(await ben.page.getByRole("link", { name: "Decisions" }).count()).toBe(0);
    const { o, fea } = claimsOf(await stage.server.token("ada"));
    await ben.page.route("**/dev/token", async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      await route.fulfill({ response, json: { ...answer, token: await stage.server.token("ben", { ...claimsOf(answer.token), o, fea }) } });
    });
    await ben.page.getByRole("link", { name: "Decisions" }).waitFor();
    await ben.page.unrouteAll({ behavior: "wait" });
    await ben.page.getByRole("link", { name: "Decisions" }).waitFor({ state: "detached" });
    await ben.close();
  });

  test("never store a token that was pasted, nor send it before it is to be checked", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/token`);
    await ada.signIn("ada");
    await ada.page.getByText("left out").waitFor();
    const hour = 3600;
    const now = Math.floor(Date.now() / 1000);
    const token = await stage.server.token("cleo", { iat: now - 2 * hour, nbf: now - 2 * hour, exp: now - hour });
    const sent: string[] = [];
    ada.page.on("request", (request) => sent.push(`${request.url()} ${request.headers()["authorization"] ?? ""} ${request.postData() ?? ""}`));
    await ada.page.getByLabel("Token", { exact: true }).fill(token);
    await ada.page.getByText('"sub": "user_cleo"').waitFor();
    await ada.page.getByText("expired", { exact: true }).waitFor();
    expect(sent.filter((request) => request.includes(token))).toEqual([]);
    await ada.page.getByRole("button", { name: "Check with this server" }).click();
    const checks = ada.page.getByRole("table", { name: "Checks" });
    await checks.getByRole("row", { name: /^expiry failed .* TOKEN_EXPIRED/ }).waitFor();
    await checks.getByRole("row", { name: /^signature passed/ }).waitFor();
    await checks.getByRole("row", { name: "revocation passed not revoked not revoked" }).waitFor();
    await ada.page.getByLabel("What is missing for a method, if the token were accepted").selectOption("/ostiary.token.v1.TokenService/ExplainToken");
    await ada.page.getByRole("listitem").filter({ hasText: "needs an operator" }).getByText("missing", { exact: true }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    expect(sent.filter((request) => request.includes(token)).length).toBeGreaterThan(0); // to this server: the window would name any other
    const stored = await ada.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.cookie]));
    expect(stored).not.toContain(token.split(".")[1]);
    await ada.go("Me");
    await ada.go("Token");
    expect(await ada.page.getByLabel("Token", { exact: true }).inputValue()).toBe("");
    await ada.close();
  });

  test("have a token answered that who is no operator pastes, as its bearer is", async () => {
    const ben = await Window.open(stage.browser, `${stage.server.url}/token`);
    await ben.signIn("ben");
    await ben.page.getByLabel("Token", { exact: true }).fill(await stage.server.token("cleo", { exp: 1, iat: 0, nbf: 0 }));
    await ben.page.getByRole("button", { name: "Check with this server" }).click();
    await ben.page.getByText("TOKEN_EXPIRED").waitFor();
    await ben.page.getByText("refused", { exact: true }).waitFor();
    await ben.page.getByText("An operator sees each check here").waitFor();
    expect(await ben.page.getByRole("table").count()).toBe(0);
    await ben.close(/401/);
  });

  test("show a token whose times are none, and say so", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/token`);
    await ada.signIn("ada");
    const encode = (part: string) => Buffer.from(part).toString("base64url");
    for (const exp of ["1700000000000000", "100000000000000000000", "Infinity"]) {
      const claims = `{"iat":1700000000,"exp":${exp.replace("Infinity", "1e999")}}`;
      await ada.page.getByRole("textbox").fill(`${encode("{}")}.${encode(claims)}.x`);
      await ada.page.getByText(`not a time: ${exp}`).waitFor();
    }
    await ada.close();
  });

  test("come while the pointer rests where they will be", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.page.getByRole("link", { name: "Decisions" }).waitFor();
    await ada.page.mouse.move(600, 500);
    await ada.page.keyboard.press("g");
    await ada.page.keyboard.press("d");
    await ada.page
      .getByRole("row", { name: /admitted/ })
      .first()
      .waitFor();
    await ada.close();
  });

  test("are reached with the keyboard: the palette, the shortcuts and the search", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.page.getByRole("link", { name: "Decisions" }).waitFor();
    await ada.page.keyboard.press("Control+k");
    await ada.page.keyboard.type("sess");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByRole("heading", { level: 1, name: "Sessions" }).waitFor();
    await ada.page.getByText("this window").waitFor();
    await ada.page.keyboard.press("/");
    await ada.page.keyboard.type("nobody");
    await ada.page.getByText("No session matches. A search finds what a subject, a session or an organization begins with").waitFor();
    expect(new URL(ada.page.url()).search).toBe("?q=nobody");
    await ada.page.getByRole("heading", { level: 1 }).focus();
    await ada.page.keyboard.press("g");
    await ada.page.keyboard.press("t");
    await ada.page.getByRole("heading", { level: 1, name: "Token" }).waitFor();
    await ada.page.keyboard.press("?");
    await ada.page.getByRole("dialog", { name: "Shortcuts" }).waitFor();
    expect(await ada.page.evaluate(() => document.activeElement?.textContent)).toBe("Shortcuts");
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByLabel("Single keys are shortcuts").uncheck();
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });
    await ada.page.keyboard.press("?");
    await ada.page.keyboard.press("Control+k");
    await ada.page.getByRole("dialog", { name: "Find" }).waitFor();
    expect(await ada.page.getByRole("dialog").count()).toBe(1);
    await ada.page.setViewportSize({ width: 1000, height: 300 });
    const outOfView = () =>
      ada.page.evaluate(() => {
        const [list, option] = ["[role=listbox]", "[aria-selected=true]"].map((name) => document.querySelector(name)!.getBoundingClientRect());
        return option!.bottom - list!.bottom;
      });
    await ada.page.getByRole("combobox").press("ArrowUp"); // to the last
    await ada.page.getByRole("option", { name: /^Sign out/, selected: true }).waitFor();
    await expect.poll(outOfView).toBeLessThanOrEqual(1);
    await ada.page.getByRole("combobox").dispatchEvent("keydown", { key: "Enter", bubbles: true, isComposing: true }); // chooses a character, and signs nobody out
    await ada.page.getByRole("combobox").press("Escape");
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });
    await ada.page.getByTestId("caller").getByText("user_ada").waitFor();
    await ada.close();
  });
});
