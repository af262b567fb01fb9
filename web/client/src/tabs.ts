// What the tabs of a browser, and the clients of a tab, share. Without Web Locks, as on
// a server or a page that comes over plain HTTP from elsewhere, each is on its own.

/** Tells whether anything can be shared here. Browsers with Web Locks have BroadcastChannel; a page in a sandbox may use neither. */
export function canShare(): boolean {
  return globalThis.navigator?.locks !== undefined && globalThis.origin !== "null";
}

/** Does some work while no other tab does work of this name, after waiting for those that do. */
export async function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks.request(name, work) as Promise<T>;
}

/** Does some work, unless another tab is doing work of this name: it returns false then. */
export async function unlessElsewhere(name: string | undefined, work: () => Promise<void>): Promise<boolean> {
  if (name === undefined || !canShare()) {
    await work();
    return true;
  }
  return navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) {
      await work();
    }
    return lock !== null;
  });
}

/** A channel to the others, which is open only while it is needed. */
export class Channel {
  readonly #name: string;
  readonly #onMessage: (message: Record<string, unknown>) => void;
  #channel: BroadcastChannel | undefined;

  constructor(name: string, onMessage: (message: Record<string, unknown>) => void) {
    this.#name = name;
    this.#onMessage = onMessage;
  }

  open(): void {
    if (this.#channel === undefined && canShare()) {
      this.#channel = new BroadcastChannel(this.#name);
      // Other versions of this code may send other messages: each is checked where it is read.
      this.#channel.onmessage = ({ data }) => this.#onMessage(Object(data));
    }
  }

  post(message: Record<string, unknown>): void {
    this.#channel?.postMessage(message);
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
