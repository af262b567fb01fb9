import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Request } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

test("the first load weighs no more than 200 KB compressed, and the pages come later", () => {
  const dist = new URL("../dist/", import.meta.url);
  const weigh = (name: string) => gzipSync(readFileSync(new URL(name, dist))).length;
  const index = readFileSync(new URL("index.html", dist), "utf8");
  const first = [...index.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, name = ""]) => name);
  expect(first.some((name) => name.endsWith(".js")) && first.some((name) => name.endsWith(".css"))).toBe(true);
  expect(["index.html", ...first].reduce((sum, name) => sum + weigh(name), 0)).toBeLessThanOrEqual(200 * 1024);
  expect(readdirSync(new URL("assets/", dist)).filter((name) => name.endsWith(".js") && !first.includes(`assets/${name}`)).length).toBeGreaterThan(5);
});

describe.skipIf(withoutChromium)("the console", () => {
  const stage = staged();

  test("shows who is signed in", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.page.getByText("org:invoices:delete").waitFor();
    await ada.page.getByText("Not renewed yet").waitFor();
    await ada.page.getByText("The latest token's payload").click();
    await ada.page.getByText('"sub": "user_ada"').waitFor();
    expect(await ada.page.title()).toBe("Me · ostiary");
    await ada.close();
  });

  test("stays signed in while tokens come and go", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada", "3s");
    await ada.page.getByText("Renewed 4 times").waitFor(); // nine seconds: three lifetimes, and more than the skew
    await ada.page.getByText("WatchIdentity is open").waitFor();
    expect(ada.requests.filter((path) => path.endsWith("/WatchIdentity"))).toHaveLength(1);
    await ada.close();
  });

  test("lets an administrator end the session of another window, at once", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    const ben = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await ben.signIn("ben");
    const session = await ben.session();
    await ada.showNew();
    const row = ada.row(session);
    await row.getByRole("button", { name: "End the session of user_ben" }).click();
    const dialog = ada.page.getByRole("dialog", { name: "End the session of user_ben?" });
    expect(await dialog.innerText()).toMatch(new RegExp(`${session}[^]*Chrome on Linux at 127[.]0[.]0[.]1[^]*First seen`));
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.press("Tab"); // to the browser itself and back, but never to what is behind
    expect(await ada.page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null)).toBe(true);
    await ada.page.getByRole("button", { name: "Cancel" }).click();
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await ada.focused()).toBe(`End the session of user_ben, ${session}`);
    await row.getByRole("button", { name: "End the session of user_ben" }).click();
    await ada.page.getByRole("button", { name: "End the session", exact: true }).click();
    await ben.page.getByText("Your session was ended.").waitFor({ timeout: 4000 });
    await row.getByText("ended", { exact: true }).waitFor();
    await expect.poll(() => ada.focused()).toBe(`Details of user_ben, ${session}`);
    await ada.page.keyboard.press("Enter");
    expect(await ada.details.innerText()).toMatch(/Ended .* by user_ada: ended in the console\n.*It goes on at its issuer/);
    await ada.page.keyboard.press("Escape");
    await ada.details.waitFor({ state: "detached" });
    expect(await ada.focused()).toBe(`Details of user_ben, ${session}`);
    await ada.close();
    await ben.close();
  });

  test("shows what issuers say, where the server receives it", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    expect(await ada.page.getByRole("heading", { name: "What issuers say" }).count()).toBe(0); // that of dev receives nothing
    const now = new Date().toISOString();
    await ada.page.route("**/readyz", (route) =>
      route.fulfill({
        json: {
          signals: [
            { source: "clerk", issuers: ["https://clerk.example.com"], accepted: 0, refused: 0, failed: 0 },
            {
              source: "backchannel-logout",
              issuers: ["https://sso.example.com"],
              last_message: now,
              last_accepted: now,
              lag_seconds: 0.25,
              accepted: 3,
              refused: 1,
              failed: 1,
              last_refused: now,
              last_error: "aud names no client that is signed out here\u202e",
            },
          ],
        },
      }),
    );
    await ada.go("Me");
    await ada.go("Sessions");
    const row = ada.page.getByRole("row", { name: "backchannel-logout" });
    await row.waitFor();
    expect(await row.innerText()).toMatch(
      /sso[.]example[.]com[^]*(now|ago)[^]*3, last [^]*0[.]3 s after it had happened[^]*2, last [^]*aud names no client that is signed out here/,
    );
    expect(await row.innerText()).not.toContain("\u202e");
    expect(await ada.page.getByRole("row", { name: "clerk" }).innerText()).toMatch(/clerk[.]example[.]com\s+none\s+0\s+0/);
    await ada.close();
  });

  test("ends a session by its whole name, and once, however often the button is pressed", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.signIn("cleo");
    const session = await cleo.session();
    const other = await Window.open(stage.browser, stage.server.url);
    await other.signIn("cleo");
    await cleo.go("Sessions");
    const sent: unknown[] = [];
    await cleo.page.route("**/RevokeSession", async (route) => {
      if (sent.push(route.request().postDataJSON()) === 1) {
        await route.fetch(); // it was done, but nobody hears of it
        await route.abort();
      } else {
        await route.continue();
      }
    });
    const row = cleo.row(await other.session());
    await row.getByRole("button", { name: "End" }).click();
    await cleo.page.getByRole("button", { name: "End the session", exact: true }).click();
    await cleo.page.getByRole("dialog").getByText("The server cannot be reached.").waitFor();
    await cleo.page.getByRole("button", { name: "End the session", exact: true }).click();
    await cleo.page.getByRole("dialog").waitFor({ state: "detached" });
    await row.getByText("ended", { exact: true }).waitFor();
    const { requestId } = sent[0] as { requestId: string };
    expect(requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(sent[0]).toEqual({
      session: { issuer: expect.stringMatching(/^http/), sessionId: expect.stringMatching(/^sess_/), subject: "user_cleo" },
      cause: "ended in the console",
      requestId,
    });
    expect(sent[1]).toEqual(sent[0]);
    await cleo.row(session).getByText("this window").waitFor();
    await cleo.close(/net::ERR_/);
    await other.close(/401/);
  });

  test("says what a session's end is, when its latest token has expired", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    const now = Math.floor(Date.now() / 1000);
    await stage.server.call("ben", { sid: "sess_short", exp: now + 2 });
    await ada.showNew();
    const row = ada.row("sess_short");
    await row.getByText("expired", { exact: true }).waitFor(); // seven seconds, with the skew
    await row.click();
    expect(await ada.details.innerText()).toMatch(/Its latest token expired \d+ seconds ago/);
    await ada.close();
  });

  test("signs out, and stays so", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.signIn("cleo");
    const session = await cleo.session();
    await cleo.page.getByRole("button", { name: "Sign out" }).click();
    await cleo.page.getByText("You have signed out.").waitFor();
    await cleo.page.reload();
    await cleo.page.getByRole("heading", { name: "Sign in" }).waitFor();
    await cleo.signIn("cleo");
    expect(await cleo.session()).not.toBe(session);
    await cleo.close();
  });

  test("says one thing to a user who signs out, though the streams end before the answer is there", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.signIn("cleo");
    await cleo.page.getByText("WatchIdentity is open").waitFor();
    await cleo.page.evaluate(() => {
      const said = ((globalThis as unknown as { said: string[] }).said = []);
      new MutationObserver(() => document.querySelectorAll("[role=alert]").forEach((alert) => (said as string[]).push(alert.textContent ?? ""))).observe(
        document.body,
        { childList: true, subtree: true },
      );
    });
    const ended = new Promise<void>((resolve) => {
      const see = (request: Request) => request.url().endsWith("/WatchIdentity") && resolve();
      cleo.page.on("requestfinished", see).on("requestfailed", see);
    });
    await cleo.page.route("**/RevokeSession", async (route) => {
      const response = await route.fetch();
      await ended;
      await route.fulfill({ response });
    });
    await cleo.page.getByRole("button", { name: "Sign out" }).click();
    await cleo.page.getByText("You have signed out.").waitFor();
    expect(new Set(await cleo.page.evaluate(() => (globalThis as unknown as { said: string[] }).said))).toEqual(new Set(["You have signed out."]));
    await cleo.close();
  });

  test("knows the window again when it is loaded again", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    const session = await ada.session();
    await ada.page.reload();
    expect(await ada.session()).toBe(session);
    await ada.close();
  });

  test("opens the page that a link names, once somebody is signed in", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/access`);
    await ada.signIn("ada");
    await ada.page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await ada.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    await ada.go("Me");
    await ada.page.goBack();
    await ada.page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await ada.close();
  });

  test("says that there is no such page, and shows the way home", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    for (const home of ["Sign in", "Me"]) {
      const response = await ada.page.goto(`${stage.server.url}/nothing/here`);
      expect(response?.status()).toBe(404);
      await ada.page.getByRole("heading", { level: 1, name: "No such page" }).waitFor();
      await ada.page.getByText("/nothing/here").waitFor();
      expect(await ada.barriers()).toEqual([]);
      await ada.page.getByRole("link", { name: "Go to the first page" }).click();
      await ada.page.getByRole("heading", { level: 1, name: home }).waitFor();
      if (home === "Sign in") {
        await ada.signIn("ada");
      }
    }
    await ada.close(/404/);
  });

  test("sorts what may be called by service, and tells where the handler decides", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/access`);
    await ada.signIn("ada");
    await ada.page.getByRole("row", { name: /WhoAmI.*may call/ }).waitFor();
    const sections = await ada.page.getByRole("heading", { level: 2 }).allInnerTexts();
    const own = sections.filter((name) => name.startsWith("ostiary."));
    expect(own.length).toBeGreaterThan(3);
    expect(sections.slice(own.length)).toEqual([
      "grpc.health.v1.Health built in",
      "grpc.reflection.v1.ServerReflection built in",
      "grpc.reflection.v1alpha.ServerReflection built in",
    ]);
    await ada.page
      .getByRole("row", { name: /RevokeSubject.*the handler decides/ })
      .getByText("the subject is the caller")
      .first()
      .waitFor();
    await ada.page.getByRole("row", { name: /RevokeTokens.*may not needs an operator$/ }).waitFor();
    await ada.page.getByLabel("Hide what you may call").check();
    await ada.page.getByRole("row", { name: /WhoAmI/ }).waitFor({ state: "detached" });
    await ada.page.getByRole("row", { name: /RevokeTokens/ }).waitFor();
    await ada.close();
  });

  test("leaves a persona that there is no more, and says so", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    for (const remembered of ['{"persona":"eve","ttl":"","session":"sess_1"}', '{"persona":"eve","ttl":""}', "{"]) {
      await ada.page.evaluate((text) => sessionStorage.setItem("ostiary.persona", text), remembered);
      await ada.page.reload();
      await ada.page.getByRole("button", { name: "Sign in as ada" }).waitFor();
      if (remembered !== "{") {
        await ada.page.getByText('You are signed out: the development issuer refuses: unknown persona "eve"').waitFor();
      }
      expect(await ada.page.evaluate(() => sessionStorage.length)).toBe(0);
    }
    await ada.close(/404/);
  });

  test("calls methods, and tells why one was refused", async () => {
    const ben = await Window.open(stage.browser, `${stage.server.url}/try`);
    await ben.signIn("ben");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText('"subject": "user_ben"').waitFor();
    await ben.page.getByRole("button", { name: "buf curl" }).click();
    await ben.page.getByText(`buf curl --protocol grpc --http2-prior-knowledge`).waitFor();

    await ben.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/RevokeSubject");
    await ben.page.getByLabel("Body").fill(JSON.stringify({ subject: { issuer: stage.server.url, subject: "user_ada" } }));
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByRole("dialog").getByRole("button", { name: "Call RevokeSubject" }).click();
    await ben.page.getByText("PERMISSION_REQUIRED").first().waitFor();
    const help = ben.page.getByRole("link", { name: "What to do about it" });
    expect(await help.getAttribute("href")).toMatch(/^https:.*#permission_required$/);

    await ben.page.getByLabel("Body").fill('{"user": "user_ada"}');
    await ben.page.getByText('Line 1: RevokeSubjectRequest has no field "user"').waitFor();

    await ben.page.getByLabel("Method").selectOption("/ostiary.session.v1.SessionService/WatchSessions");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByLabel("Message 1").waitFor();
    await ben.page.getByRole("button", { name: "Stop" }).click();
    await ben.page.getByText("stopped").first().waitFor();

    await ben.page.getByLabel("Body").fill("{");
    await ben.page.getByRole("button", { name: "Send" }).click();
    await ben.page.getByText("the body is not a valid WatchSessionsRequest").waitFor();
    await ben.close(/403/);
  });

  test.each([
    ["ada", "session.v1.SessionService/RevokeSession", ["session.issuer", "session.session_id", "session.subject"]],
    ["ada", "session.v1.SessionService/RevokeSubject", ["subject.issuer", "subject.subject"]],
    ["robo", "session.v1.SessionService/RevokeSession", ["session.issuer", "session.session_id", "session.subject"]],
    ["robo", "session.v1.SessionService/RevokeSubject", ["subject.issuer", "subject.subject"]],
    [
      "robo",
      "revocation.v1.RevocationService/RevokeTokens",
      ["revocations[0].target.session.issuer", "revocations[0].target.session.session_id", "revocations[0].target.session.subject"],
    ],
  ])("offers %s a body for %s that does nothing as it is, and says why", async (persona, method, fields) => {
    const window = await Window.open(stage.browser, `${stage.server.url}/try?method=/ostiary.${method}`);
    await window.signIn(persona);
    await window.page.getByText("The body as it is at first names nobody").waitFor();
    await window.page.getByRole("button", { name: "Send" }).click();
    await window.page.getByRole("dialog").getByRole("button", { name: "Call Revoke" }).click();
    await window.page.getByText("INVALID_REQUEST", { exact: true }).first().waitFor();
    const violations = window.page.getByRole("list", { name: "Fields that are not valid" });
    for (const field of fields) {
      await violations.getByText(field, { exact: true }).waitFor();
    }
    await window.go("Me");
    await window.page.getByText("WatchIdentity is open").waitFor();
    await window.close(/400/);
  });

  test("shows the request as it was sent, but for the token", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/try?method=/ostiary.session.v1.SessionService/ListSessions`);
    await ada.signIn("ada");
    await ada.page.getByLabel("Body").fill('{"page_size": 3}');
    const sent = ada.page.waitForRequest("**/ListSessions");
    await ada.page.getByRole("button", { name: "Send" }).click();
    expect(JSON.parse((await sent).postData() ?? "")).toEqual({ pageSize: 3 });
    const shown = await ada.page
      .locator("section", { hasText: /^Request/ })
      .locator("pre")
      .innerText();
    expect(shown).toMatch(/^POST \/ostiary.session.v1.SessionService\/ListSessions\n/);
    expect(shown).toContain("authorization: Bearer ••••\n");
    expect(shown).toContain("connect-protocol-version: 1\n");
    expect(shown).toContain('\n\n{\n  "pageSize": 3\n}');
    await ada.close();
  });

  test("asks for the sessions once, however many come", async () => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.signIn("ada");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    const lists = () => ada.requests.filter((path) => path.endsWith("/ListSessions")).length;
    for (let i = 0; i < 100; i++) {
      await stage.server.call("ben", { sid: `sess_burst_${i}` });
    }
    const before = await ada.page.getByRole("row").count();
    await ada.page.getByRole("button", { name: "100 new" }).waitFor();
    expect(await ada.page.getByRole("row").count()).toBe(before); // nothing has moved
    await ada.showNew();
    await ada.row("sess_burst_99").waitFor();
    expect(await ada.page.getByRole("row").count()).toBeLessThan(60); // only those in view are in the document
    expect(lists()).toBe(1);
    await ada.close();
  });

  test("begins one session at a double click", async () => {
    const cleo = await Window.open(stage.browser, stage.server.url);
    await cleo.page.getByRole("button", { name: "Sign in as cleo" }).dblclick();
    await cleo.page.getByText("WatchIdentity is open").waitFor();
    expect(cleo.requests.filter((path) => path === "/dev/token")).toHaveLength(1);
    await cleo.close();
  });

  test.each(["light", "dark"] as const)("puts no barriers in anybody's way, %s", async (colorScheme) => {
    const ada = await Window.open(stage.browser, stage.server.url);
    await ada.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await ada.page.getByRole("button", { name: "Sign in as ada" }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.signIn("ada");
    await ada.page.getByText("org:invoices:read").waitFor();
    expect(await ada.barriers()).toEqual([]);
    for (const [name, shown] of [
      ["Access", "may call"],
      ["Token", "left out"],
      ["Try", "Send"],
      ["Sessions", "this window"],
    ] as const) {
      await ada.go(name);
      await ada.page.getByText(shown).first().waitFor();
      expect(await ada.barriers()).toEqual([]);
    }
    await ada.page
      .getByRole("button", { name: /^Details of user_ada/ })
      .first()
      .click();
    await ada.details.waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("button", { name: "End the session of user_ada" }).first().click();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.keyboard.press("Escape");
    await ada.page.keyboard.press("Control+k");
    await ada.page.getByRole("combobox", { name: /^Find/ }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });

  test("can be used with the keyboard alone, on a telephone", async () => {
    const ada = await Window.open(stage.browser, stage.server.url, { width: 380, height: 700 });
    await ada.page.getByRole("button", { name: "Sign in as ada" }).waitFor();
    await ada.page.keyboard.press("Tab");
    expect(await ada.focused()).toBe("Sign in as ada");
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("org:invoices:read").waitFor();
    for (const name of ["Sessions", "Access", "Token", "Try", "Me"]) {
      await ada.page.getByRole("navigation").getByRole("link", { name, exact: true }).focus();
      await ada.page.keyboard.press("Enter");
      await expect.poll(() => ada.page.evaluate(() => document.activeElement?.textContent)).toBe(name);
      expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
      if (name === "Try") {
        const [copy, code] = await Promise.all([
          ada.page.getByRole("button", { name: "Copy" }).boundingBox(),
          ada.page.getByLabel("The call with curl").boundingBox(),
        ]);
        expect(copy!.y + copy!.height).toBeLessThanOrEqual(code!.y);
        await ada.context.grantPermissions(["clipboard-write"]);
        await ada.page.getByRole("button", { name: "Copy" }).press("Enter");
        await ada.page.getByText("Copied to the clipboard.").waitFor();
      }
    }
    await ada.close();
  });
});
