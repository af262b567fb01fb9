import { useSyncExternalStore } from "react";

// One timer, however many look at the clock, and none when nobody does.
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let ahead = 0; // of this machine's clock the server's is, in milliseconds
let now = Date.now();

function tick(): void {
  now = Date.now() + ahead;
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    now = Date.now() + ahead;
    timer = setInterval(tick, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
    }
  };
}

/** Takes note of what the server's clock says, by the Date header of an answer that has just come. */
export function noteServerTime(date: string | null): void {
  const heard = Date.parse(date ?? "") - Date.now();
  // It comes in whole seconds, and was on its way for a while.
  if (Math.abs(heard - ahead) > 2000) {
    ahead = heard;
    tick();
  }
}

/** The time in milliseconds by the server's clock, which judges the tokens; anew every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** How many milliseconds the server's clock is ahead of this machine's. */
export function useAhead(): number {
  return useSyncExternalStore(subscribe, () => ahead);
}

/** How many milliseconds the server's clock is ahead of this machine's, for code that is no component. */
export function clockAhead(): number {
  return ahead;
}
