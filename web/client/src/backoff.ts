import { Code, ConnectError } from "@connectrpc/connect";
import { retryDelay } from "./details.js";
import { authReason } from "./reason.js";

const first = 500;

/** The longest to wait, in milliseconds. */
export const longest = 15_000;

/**
 * How many milliseconds to wait after so many failures in a row, with the error of
 * the last: more each time, no less than the server asks for, and never two pages
 * alike. A server that asks for more than half of {@link longest} is not believed.
 */
export function backoff(failures: number, error: ConnectError): number {
  const ceiling = Math.min(longest, Math.max(first * 2 ** Math.min(failures - 1, 10), 2 * retryDelay(error)));
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}

/** Tells whether the same may succeed a little later without anybody doing anything. */
export function isPassing(error: ConnectError): boolean {
  switch (error.code) {
    case Code.Unavailable:
    case Code.ResourceExhausted:
      return true;
    default:
      // What fetch throws when the network fails is always a TypeError.
      return authReason(error) === undefined && error.cause instanceof TypeError;
  }
}

/** How connect-web says that an answer is no message of the API, or is not at its end. It has no code for it. */
const strange = /^(missing EndStreamResponse$|missing trailer$|protocol error: incomplete envelope$|unsupported content type )/;

/**
 * Tells whether something between here and the server has answered, or has cut
 * the server's answer short: a proxy that stops, or the page of a hotel's network.
 */
export function isStrange(error: ConnectError): boolean {
  return authReason(error) === undefined && strange.test(error.rawMessage);
}

/** Waits, but no longer than until the browser is online again or the signal ends it. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    globalThis.addEventListener?.("online", done);
    if (signal?.aborted) {
      done();
    }
  });
}
