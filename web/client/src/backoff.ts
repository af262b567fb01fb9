import { Code, ConnectError } from "@connectrpc/connect";
import { onAbort } from "./abort.js";
import { retryDelay } from "./details.js";
import { reasonOf } from "./reason.js";

const first = 500;

/** The longest to wait, in milliseconds. */
export const longest = 15_000;

/**
 * How many milliseconds to wait after so many failures in a row, with the error of
 * the last: more each time, no less than the server asks for, and never two pages
 * alike. A server that asks for more than half of {@link longest} is not believed.
 */
export function backoff(failures: number, error?: ConnectError): number {
  const ceiling = Math.min(longest, Math.max(first * 2 ** Math.min(failures - 1, 10), 2 * retryDelay(error)));
  return (ceiling * (1 + Math.random())) / 2;
}

/** Tells whether the same may succeed a little later without anybody doing anything. */
export function isPassing(error: ConnectError): boolean {
  // What fetch throws when the network fails is always a TypeError.
  const network = reasonOf(error) === undefined && error.cause instanceof TypeError;
  return network || [Code.Unavailable, Code.ResourceExhausted].includes(error.code);
}

/**
 * Tells whether something between here and the server has answered, or has cut the
 * server's answer short: a proxy that stops, or the page of a hotel's network. Such an
 * error has no code of its own, was thrown by nobody's code, and is not the API's: errors
 * of the API have its content type with them.
 */
export function isCutShort(error: ConnectError): boolean {
  const fault = [Code.Unknown, Code.Internal, Code.InvalidArgument, Code.DataLoss].includes(error.code);
  return fault && !(error.cause instanceof Error) && !error.metadata.get("Content-Type")?.startsWith("application/");
}

/** Waits, but no longer than until the browser is online again or the signal ends it. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    globalThis.addEventListener?.("online", done);
    onAbort(signal, done);
  });
}
