import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server, withoutSqlite } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

/** Names as issuers give them: a subject, an organization and a session. */
const names = {
  clerk: ["user_2ZqWGQY8Fj4Wc3hGJ1kAbCdEfGh", "org_2ZqWHHY8Fj4Wc3hGJ1kAbCdEfGh", "sess_2ZqWGQY8Fj4Wc3hGJ1kAbCdEfGi"],
  auth0: ["auth0|65f0c1d2e3b4a5968778695a", "org_Kx93hsk20dK2", "AbCdEfGhIjKlMnOpQrStUvWxYz012345"],
  google: ["108234567890123456789", "", "wX9kQ-5tZ_2b"],
  entra: ["0f8fad5b-d9cd-469f-a165-70867728950e", "72f988bf-86f1-41af-91ab-2d7cd011db47", "3c0d7f3a-0e0f-4f0e-9c7e-f2f8a1b7c4d5"],
  email: ["someone.with.a.long.name@subsidiary.example.com", "acme", "s-1"],
  "right to left": ["مستخدم-من-الشركة-العربية-المحدودة", "شركة", "sess_rtl"],
  long: [`${"x".repeat(230)}_its_end99`, "o".repeat(240), "s".repeat(240)],
} as const;

/** A server with sessions by these names. Each user is impersonated in one of two. */
async function withNames(): Promise<Server> {
  const server = await Server.start("--operator-subjects", "user_ada");
  const now = Date.now() * 1000;
  const address = (i: number) => (i % 2 === 0 ? "203.0.113.195" : "2001:db8:85a3:8d3:1319:8a2e:370:7348");
  const rows = Object.values(names).flatMap(([subject, organization, id], i) =>
    ["", "user_support"].map(
      (
        actor,
      ) => `('${server.url}', '${id}${actor.length}', '${subject}', '${organization}', '', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/130.0', '${address(i)}',
        ${now - i * 1e9}, ${now - i * 1e8}, '', '', '', '${actor}', '', '', ${now}, ${now + 86_400_000_000})`,
    ),
  );
  await server.seed(`
    INSERT INTO sessions (issuer, session_id, subject, organization, authorized_party, user_agent, address, first_seen, last_seen,
      token_id, client_id, actor_issuer, actor_subject, actor_session_id, actor_type, issued_at, expires_at) VALUES ${rows.join(",")};
    INSERT INTO sightings SELECT issuer, session_id, subject, '', first_seen, last_seen, authorized_party, client_id, user_agent, address FROM sessions;`);
  return server;
}

describe.skipIf(withoutChromium || withoutSqlite)("the columns of sessions", () => {
  const stage = staged(withNames);

  test.each([
    [380, "light"],
    [1100, "light"],
    [1296, "dark"],
    [1440, "light"],
    [2560, "dark"],
  ] as const)("have room for what is in them, in a window of %i pixels", async (width, colorScheme) => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/sessions?state=active`, { width, height: 1200 });
    await ada.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await ada.signIn("ada");
    await ada.page.getByText("live", { exact: true }).waitFor();
    const table = ada.page.getByRole("table", { name: "Sessions" });
    const row = (subject: string) => table.getByRole("row").filter({ has: ada.page.getByRole("button", { name: `Details of ${subject}, ` }) });
    await row(names.clerk[0]).first().waitFor();

    // Nothing is wider than the table, and each cell is below its head.
    const fits = () =>
      table.evaluate((table) => {
        const left = (row: Element | null | undefined) =>
          [...(row?.children ?? [])].filter((cell) => cell.getClientRects().length > 0).map((cell) => Math.round(cell.getBoundingClientRect().left));
        const rows = [...table.querySelectorAll("tbody tr[aria-rowindex]")];
        const narrow = matchMedia("(max-width: 48rem)").matches; // rows have two lines there, and no heads
        const heads = left(table.querySelector("thead tr"));
        const scroller = table.parentElement!;
        return { overflow: scroller.scrollWidth - scroller.clientWidth, apart: narrow ? 0 : rows.filter((row) => `${left(row)}` !== `${heads}`).length };
      });
    /** What can be read of the texts in a column: those that are cut are in two parts, of which the end is whole. */
    const read = (subject: string, column: string) =>
      row(subject)
        .first()
        .locator(`td[data-column="${column}"] bdi`)
        .evaluate((text) => {
          const [start, end] = text.children;
          const cut = (element: Element) => element.scrollWidth > element.clientWidth + 1;
          const box = (element: Element) => element.getBoundingClientRect();
          const visible = end !== undefined && box(end).right <= box(text).right + 1 && box(end).left >= box(text).left;
          return { whole: !cut(text) && !(start !== undefined && cut(start)), end: visible ? end.textContent : undefined };
        });
    expect(await fits()).toEqual({ overflow: 0, apart: 0 });
    expect((await read(names.long[0], "Subject")).whole).toBe(false);
    expect((await read(names.long[0], "Subject")).end).toBe("_end99");
    const subjects = Object.values(names).map(([subject]) => subject);
    for (const subject of subjects.filter((subject) => subject !== names.long[0])) {
      const { whole, end } = await read(subject, "Subject");
      expect(whole || end === subject.slice(-6) || subject === names["right to left"][0]).toBe(true);
      expect(width < 2560 || whole).toBe(true);
    }
    const device = await read(names.google[0], "Device");
    expect(device.whole || device.end === "203.0.113.195").toBe(true);
    if (width === 2560) {
      for (const column of ["Organization", "Session", "Device"]) {
        expect((await read(names.clerk[0], column)).whole).toBe(true);
      }
    }
    // The mark of an impersonation is seen beside the longest name.
    for (const subject of subjects) {
      const mark = row(subject).getByText("impersonated").first();
      const [seen, cell] = await Promise.all([mark.boundingBox(), mark.locator("xpath=..").boundingBox()]);
      expect(seen!.x + seen!.width).toBeLessThanOrEqual(cell!.x + cell!.width);
      expect(seen!.width).toBeGreaterThan(60);
    }
    expect(await ada.barriers()).toEqual([]);
    await row(names.auth0[0]).first().click();
    await ada.details.waitFor();
    expect(await fits()).toEqual({ overflow: 0, apart: 0 });
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("button", { name: "Group by user" }).click();
    await ada.page.getByRole("button", { name: `2 sessions of ${names.auth0[0]}`, exact: true }).click();
    await row(names.auth0[0]).first().waitFor();
    expect(await fits()).toEqual({ overflow: 0, apart: 0 });
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });
});
