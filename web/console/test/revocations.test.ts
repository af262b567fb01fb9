import { create } from "@bufbuild/protobuf";
import { RevocationSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { WatchRevocationsResponseSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { staged } from "../../testing/stage.js";
import { most, nothingMade, rowsOf, withMessage } from "../src/revocations/made.js";
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
  expect(full.more).toBe(false);
  const over = withMessage(full, message("one more"));
  expect([over.revocations.size, over.more, over.position]).toEqual([most, true, "one more"]);
  expect(withMessage(over, message()).more).toBe(true);
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
