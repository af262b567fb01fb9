import type { Interceptor } from "@connectrpc/connect";

/** How many milliseconds a call may wait for its answer to begin before that is worth a word. */
const long = 3000;

/** Knows whether calls have to wait for long. */
export class Patience {
  #late = 0;
  readonly #listeners = new Set<() => void>();

  /** Watches over the calls of a transport. It belongs first: to wait for a token is to wait. */
  readonly interceptor: Interceptor = (next) => async (req) => {
    let late = 0;
    const timer = setTimeout(() => this.#count((late = 1)), long);
    try {
      return await next(req);
    } finally {
      clearTimeout(timer);
      this.#count(-late);
    }
  };

  #count(change: number): void {
    this.#late += change;
    this.#listeners.forEach((listener) => listener());
  }

  readonly isOver = (): boolean => this.#late > 0;

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}
