import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { ClerkInstance, withoutClerk } from "../../testing/clerk.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";

function serve(clerk: ClerkInstance, { trusts = clerk }: { trusts?: ClerkInstance } = {}): Promise<Server> {
  return Server.serve("--console", "--publishable-key", clerk.publishableKey, "--jwt-key", trusts.publicKey, "--allow-any-audience");
}

// Clerk's scripts are its own; its API is far away, and stands here.
describe.skipIf(withoutChromium || withoutClerk)("the console with Clerk's own scripts", () => {
  const clerk = new ClerkInstance({ tokenTTL: 12 });
  const stage = staged(() => serve(clerk));

  async function open(of = clerk, { url } = stage.server) {
    of.reset();
    const context = await stage.browser.newContext();
    context.setDefaultTimeout(60_000);
    await of.serve(context);
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(url);
    return { context, page, faults };
  }

  async function fillIn(page: Page): Promise<void> {
    await page.getByLabel("Username").fill("ada");
    await page.getByRole("button", { name: "Continue", exact: true }).click();
    await page.getByLabel("Password", { exact: true }).fill("any password");
    await page.getByRole("button", { name: "Continue", exact: true }).click();
  }

  async function signIn(page: Page): Promise<void> {
    await fillIn(page);
    await page.getByTestId("caller").getByText("user_ada").waitFor();
  }

  test("loads them from where Clerk serves them, signs in on Clerk's form, and calls with tokens that Clerk renews", async () => {
    const { context, page, faults } = await open();
    await signIn(page);
    await page.getByText("WatchIdentity is open").waitFor();
    expect(clerk.requests.slice(0, 2)).toEqual(["GET /npm/@clerk/ui@1/dist/ui.browser.js", "GET /npm/@clerk/clerk-js@6/dist/clerk.browser.js"]);
    await expect.poll(() => clerk.requests.filter((request) => /POST .*\/tokens$/.test(request)).length).toBeGreaterThanOrEqual(2);
    await page.getByText(/Renewed/).waitFor();
    await page.getByText("WatchIdentity is open").waitFor();
    expect(faults).toEqual([]);
    await context.close();
  });

  test("signs out of its session, and asks who is there", async () => {
    const { context, page, faults } = await open();
    await signIn(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You have signed out.").waitFor();
    await page.getByLabel("Username").waitFor();
    expect(clerk.ends).toBe(1);
    expect(faults).toEqual([]);
    await context.close();
  });

  test("leaves when the user signs out in another window", async () => {
    const { context, page } = await open();
    await signIn(page);
    const other = await context.newPage();
    await other.goto(stage.server.url);
    await other.getByTestId("caller").getByText("user_ada").waitFor();
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByText("You have signed out.").waitFor();
    await page.getByText("Your session has ended.").waitFor();
    await page.getByLabel("Username").waitFor();
    expect(clerk.ends).toBe(1);
    await context.close();
  });

  test("does not go back into a session that Clerk could not end, and says so", async () => {
    const { context, page } = await open();
    await signIn(page);
    clerk.endsSessions = false;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Clerk could not be told: your session there goes on.").waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Try again, or load the page again.").waitFor();
    clerk.endsSessions = true;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Username").waitFor();
    await context.close();
  });

  test("ends a session at Clerk that the server has ended", async () => {
    const { context, page } = await open();
    await signIn(page);
    const { origin } = new URL(page.url());
    const response = await fetch(`${origin}/ostiary.session.v1.SessionService/RevokeSession`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${clerk.token(origin)}` },
      body: JSON.stringify({ currentSession: {} }),
    });
    expect(response.status).toBe(200);
    await page.getByText("Your session was ended.").waitFor();
    await page.getByLabel("Username").waitFor();
    expect(clerk.ends).toBe(1);
    await context.close();
  });

  test("enters a session that the server refuses once, and leaves it to the user to end it", async () => {
    const distrusted = new ClerkInstance();
    const server = await serve(distrusted, { trusts: clerk });
    const { context, page } = await open(distrusted, server);
    const calls: string[] = [];
    page.on("request", (request) => request.url().includes("/ostiary.") && calls.push(request.url()));
    await fillIn(page);
    await page.getByText(/The server refuses your token: .* \((SIGNATURE_INVALID|KEY_UNKNOWN)\)/).waitFor();
    await page.getByText("You are still signed in at Clerk").waitFor();
    expect(distrusted.ends).toBe(0); // the server may be wrong, and the browser has other pages
    expect(calls.length).toBeLessThanOrEqual(2);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Username").waitFor();
    expect(distrusted.ends).toBe(1);
    expect(calls.length).toBeLessThanOrEqual(2);
    await context.close();
    await server.stop();
  });
});
