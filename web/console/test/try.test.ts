import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

describe.skipIf(withoutChromium)("the page Try", () => {
  const stage = staged();
  const whoAmI = "ostiary.identity.v1.IdentityService/WhoAmI";

  async function open(persona: string, method = whoAmI): Promise<Window> {
    const window = await Window.open(stage.browser, `${stage.server.url}/try?method=/${method}`);
    await window.signIn(persona);
    await window.page.getByRole("button", { name: "Send" }).waitFor();
    return window;
  }

  const send = (window: Window) => window.page.getByRole("button", { name: "Send" }).click();
  const answer = (window: Window) => window.page.getByRole("region", { name: "Answer" });

  test("calls as nobody, as a persona and as the bearer of another token, and stays signed in", async () => {
    const ada = await open("ada");
    const as = ada.page.getByLabel("Call as");
    await as.selectOption("nobody");
    await send(ada);
    await answer(ada).getByText("TOKEN_MISSING", { exact: true }).waitFor();
    expect(await ada.page.getByRole("region", { name: "Request" }).innerText()).not.toContain("authorization");
    expect(await ada.page.getByLabel("The call with curl").innerText()).not.toContain("TOKEN");

    await as.selectOption("persona ben");
    await send(ada);
    await answer(ada).getByText('"subject": "user_ben"').waitFor();
    expect(await ada.page.getByLabel("The call with curl").innerText()).toContain(`TOKEN=$(ostiary token mint --as ben --server ${stage.server.url})`);

    await as.selectOption("bearer");
    const expired = await stage.server.token("cleo", { exp: 1_000_000_060, iat: 1_000_000_000, nbf: 1_000_000_000 });
    await ada.page.getByLabel("Token", { exact: true }).fill(`"Bearer ${expired}"`);
    await send(ada);
    await answer(ada).getByText("TOKEN_EXPIRED", { exact: true }).waitFor();
    await ada.page.getByLabel("Token", { exact: true }).fill(await stage.server.token("cleo"));
    await send(ada);
    await answer(ada).getByText('"subject": "user_cleo"').waitFor();

    await as.selectOption("me");
    await send(ada);
    await answer(ada).getByText('"subject": "user_ada"').waitFor();
    const stored = await ada.page.evaluate(() => JSON.stringify([location.href, { ...sessionStorage }, { ...localStorage }]));
    expect(stored).not.toContain("eyJ");
    await ada.close(/401/);
  });

  test("says how long an answer took and how much it is, and keeps a history", async () => {
    const ada = await open("ada");
    await send(ada);
    await answer(ada)
      .getByText(/^\d+ ms, \d+ bytes as JSON$/)
      .waitFor();
    await ada.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/ListSessions");
    await ada.page.getByLabel("Body").fill('{"pageSize": -1}');
    await send(ada);
    await answer(ada).getByText("INVALID_REQUEST", { exact: true }).waitFor();
    const history = ada.page.getByRole("region", { name: "History" });
    await history.getByRole("row", { name: /ListSessions me INVALID_REQUEST/ }).waitFor();
    await ada.page.getByLabel("Body").fill("{}");
    await history
      .getByRole("row", { name: /WhoAmI me OK/ })
      .getByRole("button")
      .click();
    await expect.poll(() => ada.page.getByLabel("Method").inputValue()).toBe(`/${whoAmI}`);
    await history
      .getByRole("row", { name: /ListSessions/ })
      .getByRole("button")
      .click();
    await expect.poll(() => ada.page.getByLabel("Body").inputValue()).toBe('{"pageSize": -1}');
    expect(await ada.barriers()).toEqual([]);
    await ada.close(/400/);
  });

  test("shows what is wrong with a body at its place, and what can be there", async () => {
    const ada = await open("ada", "ostiary.session.v1.SessionService/ListSessions");
    const body = ada.page.getByLabel("Body");
    await body.fill('{\n  "pageSize": 3,\n  "user": "x"\n}');
    await ada.page.getByText('Line 3: ListSessionsRequest has no field "user"').waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByRole("button", { name: "Show" }).click();
    expect(await body.evaluate((area: HTMLTextAreaElement) => area.value.slice(area.selectionStart, area.selectionEnd))).toBe('"user"');
    await ada.page.keyboard.type("  "); // over what is selected
    await body.fill("{}");
    await body.press("Home");
    await body.press("ArrowRight");
    await ada.page.getByRole("group", { name: "What can be at the cursor" }).getByRole("button", { name: "countTotal bool" }).click();
    expect(await body.inputValue()).toBe('{"countTotal": false}');
    expect(await ada.focused()).toBe(null); // the body, whose name is a label
    await ada.page.keyboard.type("true");
    expect(await body.inputValue()).toBe('{"countTotal": true}');
    await body.press("Control+Enter");
    await answer(ada).getByText("done", { exact: true }).waitFor();
    await ada.close();
  });

  test("asks before a call that ends something, and shows its answer", async () => {
    const robo = await open("robo", "ostiary.session.v1.SessionService/RevokeSession");
    await stage.server.call("ben", { sid: "sess_tried" });
    await robo.page
      .getByLabel("Body")
      .fill(JSON.stringify({ session: { issuer: stage.server.url, sessionId: "sess_tried", subject: "user_ben" }, cause: "tried" }));
    await send(robo);
    const dialog = robo.page.getByRole("dialog");
    await dialog.getByText("called as yourself. It cannot be taken back").waitFor();
    expect(await robo.barriers()).toEqual([]);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    expect(robo.requests.some((path) => path.endsWith("/RevokeSession"))).toBe(false);
    await send(robo);
    await dialog.getByRole("button", { name: "Call RevokeSession" }).click();
    await answer(robo).getByText("sess_tried").waitFor();
    expect(robo.requests.filter((path) => path.endsWith("/RevokeSession"))).toHaveLength(1);
    await robo.close();
  });

  test("pauses a stream without losing what comes meanwhile", async () => {
    const ada = await open("ada", "ostiary.session.v1.SessionService/WatchSessions");
    await send(ada);
    await ada.page.getByLabel("Message 1", { exact: true }).waitFor();
    const count = async () => Number((await answer(ada).innerText()).match(/(\d+) messages?/)?.[1] ?? 0);
    await ada.page.getByRole("button", { name: "Pause" }).click();
    const before = await count(); // more may have come before
    await stage.server.call("ben", { sid: "sess_while_paused" });
    await ada.page.getByRole("button", { name: /^Go on, \d+ more$/ }).waitFor();
    expect(await count()).toBe(before);
    expect(await answer(ada).innerText()).not.toContain("sess_while_paused");
    await ada.page.getByRole("button", { name: /^Go on/ }).click();
    await answer(ada).getByText("sess_while_paused").waitFor();
    await ada.page.getByRole("button", { name: "Stop" }).click();
    await answer(ada).getByText("stopped", { exact: true }).waitFor();
    await ada.close();
  });
});
