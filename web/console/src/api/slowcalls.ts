import type { Interceptor } from "@connectrpc/connect";

/** How many milliseconds a call may wait for its answer before the page says so. */
const slowAfter = 3000;

/** Counts the calls of a transport that wait for their answer for long. */
export class SlowCalls {
  #count = 0;
  readonly #listeners = new Set<() => void>();

  /** Watches the calls of a transport. It must be the first interceptor, because waiting for a token counts as well. */
  readonly interceptor: Interceptor = (next) => async (req) => {
    let slow = 0;
    const timer = setTimeout(() => this.#add((slow = 1)), slowAfter);
    try {
      return await next(req);
    } finally {
      clearTimeout(timer);
      this.#add(-slow);
    }
  };

  #add(change: number): void {
    this.#count += change;
    this.#listeners.forEach((listener) => listener());
  }

  readonly any = (): boolean => this.#count > 0;

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}
