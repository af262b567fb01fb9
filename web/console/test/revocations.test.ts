import { create } from "@bufbuild/protobuf";
import { RevocationSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { WatchRevocationsResponseSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { madeSince, most, nothingMade, rowsOf, withMessage } from "../src/revocations/made.js";
import { Window } from "./window.js";

const revocation = (revocationId: string) => create(RevocationSchema, { revocationId });
const message = (...ids: string[]) => create(WatchRevocationsResponseSchema, { revocations: ids.map(revocation), resumeToken: ids.join() });
const ids = (rows: { revocationId: string }[]) => rows.map(({ revocationId }) => revocationId);

test("new revocations are announced once, the latest first, and shown before the others when asked for", () => {
  const made = withMessage(withMessage(nothingMade, message("a", "c")), message("c", "d"));
  expect(made.position).toBe("c,d");
  const listed = [revocation("b"), revocation("a")]; // read after a was made
  const before = rowsOf(listed, made, new Set());
  expect([ids(before.rows), ids(before.fresh)]).toEqual([
    ["b", "a"],
    ["d", "c"],
  ]);
  const after = rowsOf(listed, withMessage(made, message("e")), new Set(["c", "d"]));
  expect([ids(after.rows), ids(after.fresh)]).toEqual([["d", "c", "b", "a"], ["e"]]);
});

test("of very many new revocations a bounded number is kept", () => {
  const many = Array.from({ length: most }, (_, i) => `r${i}`);
  const full = withMessage(nothingMade, message(...many));
  expect(full.leftOut).toBe(0);
  const over = withMessage(full, message("one more"));
  expect([over.revocations.size, over.leftOut, over.position]).toEqual([most, 1, "one more"]);
  expect(withMessage(over, message()).leftOut).toBe(1);
});

test("what was made before a list was requested is what the list says, and what was made since is kept", () => {
  const before = withMessage(nothingMade, message(...Array.from({ length: most + 2 }, (_, i) => `r${i}`)));
  const read = madeSince(before, before, "read");
  expect(read).toEqual({ ...nothingMade, position: "read" });
  const since = madeSince(before, withMessage(before, message("left out")), "read");
  expect([since.leftOut, since.position]).toEqual([1, "left out"]);
  const first = withMessage(nothingMade, message("a"));
  const meanwhile = madeSince(first, withMessage(first, message("b")), "read");
  expect([[...meanwhile.revocations.keys()], meanwhile.position]).toEqual([["b"], "b"]);
  expect(madeSince(nothingMade, nothingMade, "read").position).toBe("read");
});

describe.skipIf(withoutChromium)("the page of revocations", () => {
  const stage = staged();
  const wide = { width: 1440, height: 900 };

  const live = (page: Page) => page.getByText("live", { exact: true }).waitFor();
  const fresh = (page: Page, text: string) => page.getByRole("button", { name: text, exact: true });

  async function names(page: Page): Promise<string[]> {
    const details = await page.getByRole("button", { name: /^Details of Session/ }).all();
    return Promise.all(details.map((button) => button.innerText()));
  }

  test("announces what is revoked, moves no row, and goes on after the server", async () => {
    await stage.server.revoke("robo", "sess_first", "user_ben", "the first");
    const olga = await Window.open(stage.browser, `${stage.server.url}/revocations`, wide);
    await olga.signIn("olga");
    await live(olga.page);
    expect(await names(olga.page)).toEqual(["sess_first"]);
    await stage.server.revoke("robo", "sess_second", "user_ben", "the second");
    await fresh(olga.page, "1 new").waitFor();
    await stage.server.revoke("robo", "sess_third", "user_ben", "the third");
    await fresh(olga.page, "2 new").waitFor();
    expect(await names(olga.page)).toEqual(["sess_first"]);
    expect(await olga.barriers()).toEqual([]);
    await fresh(olga.page, "2 new").click();
    await fresh(olga.page, "2 new").waitFor({ state: "detached" });
    expect(await names(olga.page)).toEqual(["sess_third", "sess_second", "sess_first"]);
    await olga.page.getByText("3 revocations", { exact: true }).waitFor();
    expect(olga.requests.filter((path) => path.endsWith("/ListRevocations"))).toHaveLength(1);

    await stage.server.restart();
    await stage.server.revoke("robo", "sess_fourth", "user_ben", "made while nobody watched");
    await fresh(olga.page, "1 new").waitFor();
    await fresh(olga.page, "1 new").click();
    expect(await names(olga.page)).toEqual(["sess_fourth", "sess_third", "sess_second", "sess_first"]);
    await olga.close(/net::ERR_/);
  });

  test("says of no revocation that it is new once the list was read again", async () => {
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    const first = await context.newPage();
    await first.goto(`${stage.server.url}/revocations`);
    await first.getByRole("button", { name: "Sign in as olga" }).click();
    await live(first);
    const remembered = await first.evaluate(() => sessionStorage.getItem("ostiary.persona") ?? "");
    await context.addInitScript((text) => sessionStorage.setItem("ostiary.persona", text), remembered); // as when a tab is duplicated
    const second = await context.newPage();
    await second.goto(`${stage.server.url}/revocations`);
    await live(second);
    const subjects = Array.from({ length: most }, (_, i) => ({ target: { subject: { issuer: stage.server.url, subject: `gone_${i}` } } }));
    await stage.server.call("robo", {}, "revocation.v1.RevocationService/RevokeTokens", { revocations: subjects });
    await stage.server.revoke("robo", "sess_one_more", "user_ben");
    await fresh(second, `More than ${most} new`).waitFor();
    await stage.server.restart(); // the other window reads the stream, and opens it again
    await fresh(second, `More than ${most} new`).waitFor({ state: "detached" });
    expect((await names(second))[0]).toBe("sess_one_more");
    await live(second);
    await stage.server.revoke("robo", "sess_after", "user_ben");
    await fresh(second, "1 new").click();
    expect((await names(second)).slice(0, 2)).toEqual(["sess_after", "sess_one_more"]);
    await context.close();
  });

  test("suggests the issuers, and the clients that were seen there, when something is to be revoked", async () => {
    await stage.server.call("ben", { sid: "sess_crm", client_id: "crm" });
    await stage.server.call("ben", { sid: "sess_app", client_id: "app" });
    const olga = await Window.open(stage.browser, `${stage.server.url}/revocations`, wide);
    await olga.signIn("olga");
    await live(olga.page);
    await olga.page.getByRole("button", { name: "Revoke…" }).click();
    const suggested = (label: string) =>
      olga.page.getByLabel(label).evaluate((input) => [...((input as HTMLInputElement).list?.options ?? [])].map(({ value }) => value));
    await expect.poll(() => suggested("Issuer (iss)")).toEqual([stage.server.url]);
    await olga.page.getByRole("dialog").getByRole("combobox", { name: "Of" }).selectOption("client");
    await expect.poll(() => suggested("Client id")).toEqual(["app", "crm"]);
    const asked = () => olga.requests.filter((path) => /ListSessions|GetStatus/.test(path)).length;
    const before = asked();
    await olga.page.getByLabel("Client id").pressSequentially("cr");
    await olga.page.getByLabel("Issuer (iss)").fill("https://other.example.com");
    await expect.poll(() => suggested("Client id")).toEqual([]);
    await olga.page.getByLabel("Issuer (iss)").fill(stage.server.url);
    await expect.poll(() => suggested("Client id")).toEqual(["app", "crm"]);
    expect(asked()).toBe(before);
    expect(await olga.barriers()).toEqual([]);
    await olga.page.getByLabel("Client id").fill("crm");
    await olga.page.getByRole("button", { name: "Continue" }).click();
    await olga.page.getByRole("dialog").getByText("Ends 1 session of 1 user.").waitFor();
    await olga.close();
  });

  test("has links to a filter by issuer and by who has revoked, which hold for what is new", async () => {
    await stage.server.revoke("robo", "sess_of_robo", "user_ben", "by robo");
    await stage.server.revoke("olga", "sess_of_olga", "user_ben", "by olga");
    const olga = await Window.open(stage.browser, `${stage.server.url}/revocations`, wide);
    await olga.signIn("olga");
    await olga.page.getByRole("button", { name: "Details of Session sess_of_olga" }).click();
    const links = olga.details.getByRole("link");
    const by = links.filter({ hasText: /^Revocations by / });
    const subject = (await by.innerText()).replace("Revocations by ", "");
    await by.click();
    expect(new URL(olga.page.url()).search).toBe(`?by=${subject}`);
    await olga.page.getByText("1 revocation", { exact: true }).waitFor();
    await live(olga.page);
    expect(await names(olga.page)).toEqual(["sess_of_olga"]);
    await stage.server.revoke("robo", "sess_robo_2", "user_ben");
    await stage.server.revoke("olga", "sess_olga_2", "user_ben");
    await fresh(olga.page, "1 new").click();
    expect(await names(olga.page)).toEqual(["sess_olga_2", "sess_of_olga"]);
    expect(await olga.barriers()).toEqual([]);
    await olga.page.getByRole("button", { name: "Remove the filter By" }).click();
    await olga.page.getByRole("button", { name: "Details of Session sess_robo_2" }).click();
    await links.filter({ hasText: "Revocations of this issuer" }).click();
    expect(new URL(olga.page.url()).searchParams.get("issuer")).toBe(stage.server.url);
    await olga.page.getByRole("button", { name: "Details of Session sess_of_robo" }).waitFor();
    await olga.page.goto(`${stage.server.url}/revocations?issuer=https%3A%2F%2Fother.example.com`);
    await olga.page.getByText("No revocation matches.").waitFor();
    await olga.close();
  });

  test("has one stream for all windows of a session, which ends with the page", async () => {
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    let open = 0;
    const count = (url: string, change: number) => {
      open += url.endsWith("/WatchRevocations") ? change : 0;
    };
    const enter = async () => {
      const page = await context.newPage();
      page.on("request", (request) => count(request.url(), 1));
      page.on("requestfinished", (request) => count(request.url(), -1));
      page.on("requestfailed", (request) => count(request.url(), -1));
      await page.goto(`${stage.server.url}/revocations`);
      return page;
    };
    const first = await enter();
    await first.getByRole("button", { name: "Sign in as olga" }).click();
    await live(first);
    const remembered = await first.evaluate(() => sessionStorage.getItem("ostiary.persona") ?? "");
    await context.addInitScript((text) => sessionStorage.setItem("ostiary.persona", text), remembered); // as when a tab is duplicated
    const others = [await enter(), await enter()];
    await Promise.all(others.map(live));
    expect(open).toBe(1);
    await stage.server.revoke("robo", "sess_for_all", "user_ben");
    await Promise.all([first, ...others].map((page) => fresh(page, "1 new").waitFor()));
    await first.getByRole("navigation").getByRole("link", { name: "Me", exact: true }).click();
    await stage.server.revoke("robo", "sess_for_the_others", "user_ben");
    await Promise.all(others.map((page) => fresh(page, "2 new").waitFor()));
    await expect.poll(() => open).toBe(1);
    await Promise.all(others.map((page) => page.getByRole("navigation").getByRole("link", { name: "Me", exact: true }).click()));
    await expect.poll(() => open).toBe(0);
    await context.close();
  });
});
