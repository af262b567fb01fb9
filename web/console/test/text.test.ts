import { expect, test, vi } from "vitest";
import { paced } from "../src/paced.js";
import { plain, sentence } from "../src/text.js";
import { browserOf } from "../src/useragent.js";

test.each([
  ["user_ada", "user_ada"],
  ["user_\u202egnp.exe", "user_\\u202egnp.exe"],
  ["a\u200bb", "a\\u200bb"],
  ["{\n\t\u0007}", "{\n\t\\u0007}"],
  ["\u{e0041}", "\\udb40\\udc41"],
])("what cannot be seen in %j is made to be seen", (text, want) => {
  expect(plain(text)).toBe(want);
});

test.each([
  ["the call failed", "The call failed."],
  ["https://clerk.example.com/clerk.js cannot be loaded", "https://clerk.example.com/clerk.js cannot be loaded."],
  ["invoice_id is missing", "invoice_id is missing."],
  ["why?", "Why?"],
])("%j becomes a sentence, and a name stays a name", (text, want) => {
  expect(sentence(text)).toBe(want);
});

test("browsers are known by their User-Agent, and others shown as they are", () => {
  expect(browserOf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36")).toBe("Chrome on Linux");
  expect(browserOf("grpc-go/1.70.0\u202e")).toBe("grpc-go/1.70.0\\u202e");
  expect(browserOf("")).toBe("Something");
});

test("many wishes become one doing at a time, and one after the last", async () => {
  vi.useFakeTimers();
  try {
    const running: (() => void)[] = [];
    const work = vi.fn(() => new Promise<void>((resolve) => running.push(resolve)));
    const wish = paced(work, 500);
    wish();
    expect(work).toHaveBeenCalledTimes(1);
    for (let i = 0; i < 100; i++) {
      wish();
    }
    await vi.advanceTimersByTimeAsync(2000);
    expect(work).toHaveBeenCalledTimes(1); // it still runs
    running[0]!();
    await vi.advanceTimersByTimeAsync(0);
    expect(work).toHaveBeenCalledTimes(2);
    running[1]!();
    wish();
    await vi.advanceTimersByTimeAsync(499);
    expect(work).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(3);
  } finally {
    vi.useRealTimers();
  }
});
