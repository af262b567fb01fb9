import axe from "axe-core";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { expect } from "vitest";

/**
 * A window on the console that takes note of what must not be: errors in the
 * browser's console, violations of the Content-Security-Policy (which it puts
 * there too), exceptions, and requests to anybody but the server.
 */
export class Window {
  readonly faults: string[] = [];
  readonly requests: string[] = [];

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {}

  /** Opens a window of a browser of its own. It may ask the server, and the origins that are named, whose own faults do not count. */
  static async open(browser: Browser, url: string, size = { width: 1000, height: 800 }, ...others: string[]): Promise<Window> {
    const context = await browser.newContext({ viewport: size });
    context.setDefaultTimeout(60_000); // before the test's own, which does not say what it waited for
    const page = await context.newPage();
    const window = new Window(page, context);
    page.on("console", (message) => {
      if ((message.type() === "error" || message.type() === "warning") && !isOneOf(others, message.location().url)) {
        window.faults.push(message.text());
      }
    });
    page.on("pageerror", (error) => window.faults.push(error.message));
    page.on("request", (request) => {
      window.requests.push(new URL(request.url()).pathname);
      if (!isOneOf([url, ...others], request.url())) {
        window.faults.push(`a request to ${request.url()}`);
      }
    });
    await page.goto(url);
    return window;
  }

  async signIn(persona: string, ttl?: string): Promise<void> {
    if (ttl !== undefined) {
      await this.page.getByLabel("Tokens live for").selectOption(ttl);
    }
    await this.page.getByRole("button", { name: `Sign in as ${persona}` }).click();
    await this.page.getByTestId("caller").getByText(`_${persona}`).waitFor();
  }

  async go(name: string): Promise<void> {
    const pages = this.page.getByRole("navigation");
    const link = pages.getByRole("link", { name, exact: true, includeHidden: true });
    await link.waitFor({ state: "attached" });
    if (await link.isVisible()) {
      await link.click();
    } else {
      await pages.getByRole("button", { name: "More" }).click();
      await this.page.getByRole("option", { name: new RegExp(`^${name} `) }).click();
    }
    await this.page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** The session of the window, as the page shows it. */
  session(): Promise<string> {
    return this.page.locator("dd code", { hasText: /^sess_/ }).innerText();
  }

  /** Shows the sessions that were seen since the table was read. */
  async showNew(): Promise<void> {
    await this.page.getByRole("button", { name: /^\d+ new$/ }).click();
  }

  /** The row of a session, and its details after a click. */
  row(sessionId: string): Locator {
    return this.page.getByRole("row", { name: sessionId });
  }

  /** The details of what was selected last. */
  get details(): Locator {
    return this.page.getByRole("complementary");
  }

  /** The counts of rows that the table and the document have. */
  async rows(): Promise<{ all: number; inDocument: number }> {
    const all = await this.page.getByRole("table").getAttribute("aria-rowcount");
    return { all: Number(all) - 1, inDocument: await this.page.getByRole("row").count() };
  }

  /** The name of what has the focus. */
  focused(): Promise<string | null | undefined> {
    return this.page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  }

  /** What keeps people from using the page as it is now: contrast, names, roles, order. */
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return this.page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
      return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
    });
  }

  /** Closes the window. Faults that are part of the test are named. */
  async close(...expected: RegExp[]): Promise<void> {
    await this.context.close();
    expect(this.faults.filter((fault) => !expected.some((e) => e.test(fault)))).toEqual([]);
  }
}

/** Makes a page be hidden, or seen again: a browser without a screen hides none. */
export function hide(page: Page, hidden: boolean): Promise<void> {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

function isOneOf(urls: string[], url: string): boolean {
  return urls.some((known) => URL.canParse(url) && new URL(url).origin === new URL(known).origin);
}
