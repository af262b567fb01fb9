import { type CallOptions, ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { backoff, isPassing } from "./backoff.js";
import { millisecondsLeft } from "./claims.js";
import { freshToken } from "./intercept.js";

/** How much of a token's lifetime is left when the leases are renewed; no two renewals are closer together. */
const renewAt = 0.25;

/** The longest that a timer can wait. */
const longestTimer = 2 ** 31 - 1;

/**
 * Keeps streams open although their tokens expire: as long as one is open, a
 * cheap unary call brings a fresh token to the server before the last one has
 * expired, and the server extends the leases of all streams of the session.
 *
 *     interceptors: [authInterceptor(source, baseUrl), keepStreams((call) => identity.whoAmI({}, call))]
 *
 * It stands behind authInterceptor, whose tokens it watches. A renewal that
 * fails for a while is repeated with back-off; after a refusal there is none
 * until another call has brought a new token, and the streams end by themselves.
 */
export function keepStreams(renew: (call: CallOptions) => Promise<unknown>): Interceptor {
  const keeper = new Keeper(renew);
  return (next) => async (req) => {
    const authorization = req.header.get("Authorization");
    if (!req.stream) {
      const res = await next(req);
      keeper.leased(authorization); // not before: what does not get there extends nothing
      return res;
    }
    keeper.leased(authorization);
    keeper.opened();
    try {
      const res = await next(req);
      return res.stream ? { ...res, message: keeper.untilClosed(res.message) } : res;
    } catch (error) {
      keeper.closed();
      throw error;
    }
  };
}

class Keeper {
  readonly #renew: (call: CallOptions) => Promise<unknown>;
  #open = 0;
  #authorization = "";
  #due = Infinity; // when to renew, by this machine's clock
  #begun = 0; // when the last renewal was
  #failures = 0; // of renewals, in a row
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(renew: (call: CallOptions) => Promise<unknown>) {
    this.#renew = renew;
  }

  /** Learns of a token whose time is that of the leases from now on. */
  leased(authorization: string | null): void {
    if (authorization === null || authorization === this.#authorization) {
      return;
    }
    this.#authorization = authorization;
    const time = millisecondsLeft(authorization.replace(/^Bearer /, ""));
    if (time === undefined) {
      this.#due = Infinity;
    } else {
      const margin = time.lifetime * renewAt;
      // Where this machine's clock is ahead, even a new token seems to be about to expire.
      this.#due = Math.max(Date.now() + time.left - margin, this.#begun + margin);
    }
    this.#schedule();
  }

  opened(): void {
    this.#open++;
    this.#schedule();
  }

  closed(): void {
    this.#open--;
    this.#schedule();
  }

  async *untilClosed<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* messages;
    } finally {
      this.closed();
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#open === 0 || this.#due === Infinity) {
      return;
    }
    const wait = Math.max(0, this.#due - Date.now());
    this.#timer = wait > longestTimer ? setTimeout(() => this.#schedule(), longestTimer) : setTimeout(() => void this.#call(), wait);
  }

  async #call(): Promise<void> {
    this.#begun = Date.now();
    this.#due = Infinity; // until a token is leased
    try {
      await this.#renew({ contextValues: createContextValues().set(freshToken, true) });
      this.#failures = 0;
    } catch (error) {
      if (isPassing(ConnectError.from(error))) {
        this.#due = Math.min(this.#due, Date.now() + backoff(++this.#failures));
        this.#schedule();
      }
    }
  }
}
