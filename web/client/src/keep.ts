import { type CallOptions, ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { backoff, isPassing } from "./backoff.js";
import { millisecondsLeft } from "./claims.js";
import { freshToken } from "./intercept.js";

/** How much of a token's lifetime is left when the leases are renewed. */
const renewAt = 0.25;

/**
 * Keeps streams open although their tokens expire: as long as one is open, a
 * cheap unary call brings a fresh token to the server before the last one has
 * expired, and the server extends the leases of all streams of the session.
 *
 *     interceptors: [authInterceptor(source, baseUrl), keepStreams((call) => identity.whoAmI({}, call))]
 *
 * It stands behind authInterceptor, whose tokens it watches. A renewal that
 * fails for a while is repeated with back-off; after a refusal there is none any
 * more, and the streams end by themselves with its reason.
 */
export function keepStreams(renew: (call: CallOptions) => Promise<unknown>): Interceptor {
  const keeper = new Keeper(renew);
  return (next) => async (req) => {
    keeper.seen(req.header.get("Authorization"));
    if (!req.stream) {
      return next(req);
    }
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
  #due = 0; // when to renew, by this machine's clock; 0 for never
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(renew: (call: CallOptions) => Promise<unknown>) {
    this.#renew = renew;
  }

  /** Learns of a token that is on its way to the server. */
  seen(authorization: string | null): void {
    if (authorization === null || authorization === this.#authorization) {
      return;
    }
    this.#authorization = authorization;
    this.#failures = 0;
    const time = millisecondsLeft(authorization.replace(/^Bearer /, ""));
    this.#due = time === undefined ? 0 : Date.now() + Math.max(0, time.left - time.lifetime * renewAt);
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
    if (this.#open > 0 && this.#due > 0) {
      this.#timer = setTimeout(() => void this.#call(), Math.max(0, this.#due - Date.now()));
    }
  }

  async #call(): Promise<void> {
    const before = this.#authorization;
    this.#due = 0; // until a token is seen
    try {
      await this.#renew({ contextValues: createContextValues().set(freshToken, true) });
    } catch (error) {
      if (isPassing(ConnectError.from(error)) && this.#authorization === before) {
        this.#due = Date.now() + backoff(++this.#failures);
        this.#schedule();
      }
    }
  }
}
