import type { DescMethod } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, createContextValues, type Interceptor, type StreamRequest } from "@connectrpc/connect";
import { unlessAborted } from "./abort.js";
import { backoff, isPassing } from "./backoff.js";
import { millisecondsLeft } from "./claims.js";
import { freshToken } from "./intercept.js";
import { KeptStream } from "./kept.js";
import { livesByLease } from "./rule.js";

/** How much of a token's lifetime is left when the leases are renewed; no two renewals are closer together. */
const renewAt = 0.25;

/** The longest that a timer can wait. */
const longestTimer = 2 ** 31 - 1;

export interface KeepOptions {
  /**
   * Methods whose streams bring a message after every renewal, as WatchIdentity
   * does. Where it does not come, such a stream is taken for dead although the
   * renewal, on another connection, was answered. Default: none.
   */
  answering?: readonly DescMethod[] | undefined;
}

/**
 * Keeps streams open although their tokens expire: as long as one is open, a
 * cheap unary call brings a fresh token to the server before the last one has
 * expired, and the server extends the leases of all streams of the session.
 *
 *     interceptors: [authInterceptor(source, baseUrl), keepStreams((call) => identity.whoAmI({}, call))]
 *
 * It stands behind authInterceptor, whose tokens it watches. A renewal that
 * fails for a while, or is not answered in time, is repeated with back-off. One
 * that is refused with UNAUTHENTICATED ends the streams with its error, since
 * the server may have no way left to tell them; there is none after it, nor
 * after any other error, until another call has brought a new token.
 *
 * A stream of which nothing was heard, and whose lease nothing has renewed, ends
 * with UNAVAILABLE ten seconds after its token's time: its connection is dead.
 *
 * Streams without a token, and those that the schema lets outlive it, are left
 * alone.
 */
export function keepStreams(renew: (call: CallOptions) => Promise<unknown>, { answering = [] }: KeepOptions = {}): Interceptor {
  const keeper = new Keeper(renew);
  return (next) => async (req) => {
    const authorization = req.header.get("Authorization");
    if (authorization === null) {
      return next(req);
    }
    if (!req.stream) {
      const at = Date.now();
      const res = await next(req);
      keeper.renewed(authorization, at); // not before: what does not get there extends nothing
      return res;
    }
    if (!livesByLease(req.method)) {
      return next(req);
    }
    const stream = keeper.open(authorization, req, answering.includes(req.method));
    const res = await unlessAborted(next({ ...req, signal: stream.signal }), stream.signal);
    return res.stream ? { ...res, message: stream.read(res.message) } : res;
  };
}

class Keeper {
  readonly #renew: (call: CallOptions) => Promise<unknown>;
  readonly #streams = new Set<KeptStream>();
  #authorization = "";
  #margin = 0; // how many milliseconds before a token's time the next is fetched
  #due = Infinity; // when to renew, by this machine's clock
  #begun = 0; // when the last renewal was
  #failures = 0; // of renewals, in a row
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(renew: (call: CallOptions) => Promise<unknown>) {
    this.#renew = renew;
  }

  open(authorization: string, { signal }: StreamRequest, answers: boolean): KeptStream {
    const stream = new KeptStream(this.#learn(authorization), answers);
    this.#streams.add(stream);
    // Connect aborts the signal of a call in whatever way it has ended.
    const over = () => {
      this.#end(stream, signal.reason);
      this.#schedule();
    };
    signal.addEventListener("abort", over, { once: true });
    if (signal.aborted) {
      over();
    }
    this.#schedule();
    return stream;
  }

  /** A call, made at a time, has brought a token to the server. */
  renewed(authorization: string, at: number): void {
    const until = this.#learn(authorization);
    this.#streams.forEach((stream) => stream.renewed(until, at));
    this.#schedule();
  }

  /** Plans the next renewal by a token, and returns until when that is good at most. */
  #learn(authorization: string): number {
    const time = millisecondsLeft(authorization.replace(/^Bearer /, ""));
    if (authorization !== this.#authorization) {
      this.#authorization = authorization;
      this.#margin = (time?.lifetime ?? 0) * renewAt;
      // Where this machine's clock is ahead, even a new token seems to be about to expire.
      this.#due = time === undefined ? Infinity : Math.max(Date.now() + time.left - this.#margin, this.#begun + this.#margin);
    }
    return time === undefined ? Infinity : Date.now() + time.lifetime;
  }

  #end(stream: KeptStream, reason: unknown): void {
    this.#streams.delete(stream);
    stream.end(reason);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const next = Math.min(this.#due, ...[...this.#streams].map(({ deadline }) => deadline));
    if (this.#streams.size > 0 && next !== Infinity) {
      this.#timer = setTimeout(() => this.#act(), Math.min(Math.max(0, next - Date.now()), longestTimer));
    }
  }

  #act(): void {
    const now = Date.now();
    for (const stream of this.#streams) {
      if (stream.deadline <= now) {
        this.#end(stream, new ConnectError("nothing was heard of the stream until its lease was over", Code.Unavailable));
      }
    }
    if (this.#streams.size > 0 && this.#due <= now) {
      void this.#call();
    }
    this.#schedule();
  }

  async #call(): Promise<void> {
    this.#begun = Date.now();
    this.#due = Infinity; // until a token has been brought
    try {
      const timeoutMs = Math.min(Math.max(1_000, this.#margin), 60_000);
      await this.#renew({ contextValues: createContextValues().set(freshToken, true), timeoutMs });
      this.#failures = 0;
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      if (error.code === Code.DeadlineExceeded || isPassing(error)) {
        this.#due = Math.min(this.#due, Date.now() + backoff(++this.#failures, error));
      } else if (error.code === Code.Unauthenticated) {
        this.#streams.forEach((stream) => this.#end(stream, error));
      }
      this.#schedule();
    }
  }
}
