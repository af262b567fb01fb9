import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";

const host = "https://clerk.example.com";
const key = `pk_test_${Buffer.from("clerk.example.com$").toString("base64")}`;

/** What stands in for Clerk, which is far away, does what its documentation says. */
function standIn(session: string, signOut: string): string {
  return `
    const listeners = new Set();
    const end = () => {
      window.Clerk.session = null;
      listeners.forEach((listener) => listener(window.Clerk));
    };
    window.endSession = end;
    window.signedOut = [];
    window.Clerk = {
      session: ${session},
      load: async () => {},
      addListener: (listener) => {
        listeners.add(listener);
        listener(window.Clerk);
        return () => listeners.delete(listener);
      },
      mountSignIn: (element) => { element.textContent = "Clerk's page for " + document.querySelector("[data-clerk-publishable-key]").dataset.clerkPublishableKey; },
      unmountSignIn: (element) => { element.textContent = ""; },
      signOut: async (left, options) => {
        if (left === undefined) throw new Error("the page would be loaded again");
        window.signedOut.push(options?.sessionId);
        ${signOut}
      },
    };`;
}

/** The end of a stream in which the server says that the session was ended. */
function revoked(): Buffer {
  const field = (tag: number, text: string) => Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text)]);
  const info = Buffer.concat([field(0x0a, "TOKEN_REVOKED"), field(0x12, "github.com/ostiary/ostiary")]).toString("base64");
  const end = Buffer.from(JSON.stringify({ error: { code: "unauthenticated", message: "revoked", details: [{ type: "google.rpc.ErrorInfo", value: info }] } }));
  const head = Buffer.alloc(5);
  head.writeUInt8(2);
  head.writeUInt32BE(end.length, 1);
  return Buffer.concat([head, end]);
}

describe.skipIf(withoutChromium)("the console with Clerk", () => {
  const stage = staged(() => Server.serve("--console", "--publishable-key", key, "--audiences", "invoices"));

  const waiting = '{ id: "sess_1", getToken: () => new Promise(() => {}) }';
  const refused = '{ id: "sess_1", getToken: async () => "not.a.token" }';

  async function open(session: string, { signOut = "end(); left();", prepare = async (_: Page): Promise<unknown> => undefined } = {}) {
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    const asked: string[] = [];
    await context.route(`${host}/**`, (route) => {
      asked.push(new URL(route.request().url()).pathname);
      return route.fulfill({ contentType: "text/javascript", headers: { "Access-Control-Allow-Origin": "*" }, body: standIn(session, signOut) });
    });
    const page = await context.newPage();
    const faults: string[] = [];
    const calls: string[] = [];
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    page.on("request", (request) => request.url().includes("/ostiary.") && calls.push(request.url()));
    await prepare(page);
    await page.goto(stage.server.url);
    const signedOut = () => page.evaluate(() => (globalThis as unknown as { signedOut: string[] }).signedOut);
    return { context, page, asked, faults, calls, signedOut };
  }

  test("loads its code from where Clerk serves it", async () => {
    const { context, page, asked, faults } = await open("null");
    await page.getByText(`Clerk's page for ${key}`).waitFor();
    expect(asked).toEqual(["/npm/@clerk/ui@1/dist/ui.browser.js", "/npm/@clerk/clerk-js@6/dist/clerk.browser.js"]);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("leaves when the session is over there", async () => {
    const { context, page } = await open(waiting);
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    await page.evaluate("window.endSession()");
    await page.getByText("Your session has ended.").waitFor();
    await page.getByText(`Clerk's page for ${key}`).waitFor();
    await context.close();
  });

  test("signs out of its own session, and no other", async () => {
    const { context, page, signedOut } = await open(waiting);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You have signed out.").waitFor();
    await page.getByText(`Clerk's page for ${key}`).waitFor();
    expect(await signedOut()).toEqual(["sess_1"]);
    await context.close();
  });

  test("does not go back into a session that Clerk could not end, and says so", async () => {
    const { context, page } = await open(waiting, { signOut: 'throw new Error("this machine is offline");' });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Clerk could not be told: your session there goes on.").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("This machine is offline.").waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);
    await context.close();
  });

  test("enters a session that the server refuses once, and leaves it to the user to end it", async () => {
    const { context, page, calls, signedOut } = await open(refused);
    await page.getByText(/The server refuses your token: .* \(TOKEN_MALFORMED\)/).waitFor();
    await page.getByText("You are still signed in at Clerk").waitFor();
    expect(await signedOut()).toEqual([]); // the server may be wrong, and the browser has other pages
    const made = calls.length;
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 500)));
    expect(calls.length).toBe(made);
    expect(made).toBeLessThanOrEqual(2);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText(`Clerk's page for ${key}`).waitFor();
    expect(await signedOut()).toEqual(["sess_1"]);
    await context.close();
  });

  test.each(["end(); left();", 'throw new Error("offline");'])("ends a session there that the server has ended, as far as it can: %s", async (signOut) => {
    const { context, page, signedOut } = await open(refused, {
      signOut,
      prepare: (page) => page.route("**/WatchIdentity", (route) => route.fulfill({ contentType: "application/connect+json", body: revoked() })),
    });
    await page.getByText("Your session was ended.").waitFor();
    await page.getByText(signOut.startsWith("end") ? `Clerk's page for ${key}` : "You are still signed in at Clerk").waitFor();
    expect(await signedOut()).toEqual(["sess_1"]);
    await context.close();
  });
});
