// Builds the package in a checkout, where the compiler may not be installed yet.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const run = (...args) => execFileSync("npm", args, { cwd: import.meta.dirname, stdio: ["ignore", "inherit", "inherit"], shell: process.platform === "win32" });

try {
  createRequire(import.meta.url).resolve("typescript/package.json");
} catch {
  run("ci", "--prefix", "..", "--ignore-scripts", "--no-audit", "--no-fund");
}
run("run", "build");
