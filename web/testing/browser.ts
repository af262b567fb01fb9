import { type Browser, chromium } from "playwright-core";
import { findChromium } from "./chromium.js";

/**
 * Whether tests that need Chromium are left out. That is said by `make test`
 * where it happens; CI never leaves them out.
 */
export const withoutChromium = findChromium() === undefined && process.env["CI"] === undefined;

/** Starts Chromium. The hosts are names that stand for this machine. */
export async function launch(...hosts: string[]): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error("Chromium is not installed: install it, or set CHROMIUM to where it is");
  }
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox", // CI runs as root
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Pages that a test makes up come from no address, which is not a local one.
      "--disable-features=LocalNetworkAccessChecks",
      ...(hosts.length === 0 ? [] : [`--host-resolver-rules=${hosts.map((host) => `MAP ${host} 127.0.0.1`).join(", ")}`]),
    ],
  });
}
