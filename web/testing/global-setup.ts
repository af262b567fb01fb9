import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The program that is tested. */
    ostiary: string;
  }
}

/** Builds the server once. OSTIARY names one that is built already. */
export default function setup(project: TestProject): (() => void) | undefined {
  const built = process.env["OSTIARY"];
  if (built) {
    project.provide("ostiary", built);
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "ostiary-web-"));
  const program = join(directory, "ostiary");
  const root = fileURLToPath(new URL("../..", import.meta.url));
  // Its go.work says that it is built with what is beside it.
  const env = { ...process.env, GOWORK: "auto" };
  execFileSync("go", ["build", "-o", program, "."], { cwd: join(root, "cmd/ostiary"), env, stdio: "inherit" });
  project.provide("ostiary", program);
  return () => rmSync(directory, { recursive: true, force: true });
}
