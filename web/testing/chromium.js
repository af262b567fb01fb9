// Where Chromium is, in JavaScript, so that `make test` can ask without anything
// being compiled: exit status 1 where there is none.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const usual = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * Where Chromium is; undefined where there is none. CHROMIUM names another.
 *
 * @returns {string | undefined}
 */
export function findChromium() {
  const named = process.env["CHROMIUM"];
  return (named === undefined ? usual : [named]).find((path) => existsSync(path));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = findChromium() === undefined ? 1 : 0;
}
