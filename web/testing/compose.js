// Goes through the page of deploy/compose.yaml, profile dev, in Chromium: from sign-in over guarded
// calls to a stream that ends when its session is ended elsewhere. It is run by a test in
// deploy/, which starts everything.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.js";

const page = "http://localhost:3000";
// A name of an attacker's, which resolves to this machine.
const rebound = "http://attacker.example:3000";
const browser = await chromium.launch({
  executablePath: findChromium(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--host-resolver-rules=MAP attacker.example 127.0.0.1"],
});
const patience = 60_000;

/** A window of a browser of its own, whose cookies no other window has. */
async function open() {
  const window = await (await browser.newContext()).newPage();
  window.setDefaultTimeout(patience);
  window.on("request", (request) => assert.equal(new URL(request.url()).hostname, "localhost", "nothing comes from elsewhere"));
  window.on("pageerror", (error) => assert.fail(error));
  return window;
}

async function signIn(window, persona) {
  await window.goto(`${page}/sign-in`);
  await window.getByRole("button", { name: persona }).click();
  await window.waitForURL(`${page}/account`);
}

const shows = (window, text) => window.getByText(text).first().waitFor();

try {
  const ada = await open();
  await ada.goto(page);
  await shows(ada, "Everybody may read this page");
  await ada.getByRole("link", { name: "Account", exact: true }).click();
  await ada.waitForURL(`${page}/sign-in`);
  console.log("signed out: the public page is shown, the protected one is not");

  await signIn(ada, "Ada");
  await shows(ada, "The API knows you as user_ada, org:admin.");
  console.log("signed in: the server's own call is answered");
  await shows(ada, "Live");
  await shows(ada, "This one");
  console.log("the browser's calls are answered, and the stream is open");

  const elsewhere = await open();
  await signIn(elsewhere, "Ada");
  await shows(elsewhere, "Live");
  await shows(ada, "Another one");
  console.log("the stream shows a session that begins elsewhere");

  await elsewhere.getByRole("listitem").filter({ hasText: "Another one" }).getByRole("button", { name: "End" }).click();
  await shows(ada, "This session has been ended. Sign in again to go on.");
  await shows(elsewhere, ": ended");
  console.log("the session is ended elsewhere: its stream ends, with a sentence");

  await ada.reload();
  assert.match((await ada.locator("#identity").textContent()) ?? "", /This session has been ended/);
  await ada.getByRole("button", { name: "Sign in again" }).click();
  await ada.waitForURL(`${page}/sign-in`);
  await signIn(ada, "Ben");
  await shows(ada, "The API knows you as user_ben, org:member.");
  await shows(ada, "Live");
  console.log("signed in again, as somebody else");

  await ada.getByRole("button", { name: "Sign out" }).click();
  await ada.waitForURL(`${page}/sign-in`);
  await ada.goto(`${page}/account`);
  await ada.waitForURL(`${page}/sign-in`);
  console.log("signed out");

  const attacked = await (await browser.newContext()).newPage();
  await attacked.goto(`${rebound}/sign-in`);
  const [answer] = await Promise.all([
    attacked.waitForResponse((response) => response.request().method() === "POST"),
    attacked.getByRole("button", { name: "Ada" }).click(),
  ]);
  assert.equal(answer.status(), 500, "a page of another name signs nobody in");
  await attacked.context().addCookies([{ name: "dev-session", value: "ada/", url: rebound }]);
  await attacked.goto(`${rebound}/account`);
  assert.match((await attacked.locator("#identity").textContent()) ?? "", /only those who open this page on localhost/);
  console.log("a page of another name has nobody's tokens");
} finally {
  await browser.close();
}
