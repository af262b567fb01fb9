import { sharesConnections } from "./browser";

/** How many of a browser's six connections to a server may be taken by streams. The others are left for calls. */
const slots = 3;

/** How many milliseconds a stream waits for a slot before its window says so. */
const queuedAfter = 300;

/**
 * Runs work that keeps a connection. Over HTTP/1.1 it waits until one of the
 * slots that all windows share is free, and onQueued is called if that takes time.
 */
export async function withSlot(signal: AbortSignal, onQueued: () => void, work: () => Promise<void>): Promise<void> {
  if (!("locks" in navigator) || !sharesConnections()) {
    return work();
  }
  const found = new AbortController();
  const stop = AbortSignal.any([signal, found.signal]);
  const timer = setTimeout(onQueued, queuedAfter);
  try {
    await Promise.any(
      Array.from({ length: slots }, (_, slot) =>
        navigator.locks.request(`ostiary stream ${slot}`, { signal: stop }, async () => {
          if (found.signal.aborted) {
            throw new Error("another slot was free first");
          }
          found.abort();
          clearTimeout(timer);
          // A failure is returned, because Promise.any would wait for the other slots.
          return work().then(
            () => undefined,
            (error: unknown) => ({ error }),
          );
        }),
      ),
    ).then((failure) => {
      if (failure !== undefined) {
        throw failure.error;
      }
    });
  } finally {
    clearTimeout(timer);
  }
}
