import type { DescMethod } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, createContextValues, type Interceptor, type StreamRequest } from "@connectrpc/connect";
import { onAbort, unlessAborted } from "./abort.js";
import { backoff } from "./backoff.js";
import { holderOf, millisecondsLeft } from "./claims.js";
import { freshToken, sentToken } from "./intercept.js";
import { KeptStream } from "./kept.js";
import { livesByLease } from "./rule.js";
import { Channel, unlessElsewhere } from "./tabs.js";

/** How much of a token's lifetime is left when the leases are renewed; no two renewals are closer together. */
const renewAt = 0.25;

/** How many milliseconds later to see whether the renewal of another tab has succeeded. */
const elsewhere = 1_000;

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
 * It stands behind authInterceptor, whose tokens it watches: before it, it does nothing. One renewal serves all
 * tabs of a browser, and all clients of a page, that have streams of the session open.
 *
 * A renewal that fails, is not answered in time, or brings no new token is repeated
 * with back-off. One that is refused with UNAUTHENTICATED ends the streams with its
 * error, since the server may have no way left to tell them.
 *
 * A stream of which nothing was heard, and whose lease nothing has renewed, ends
 * with UNAVAILABLE ten seconds after its token's time: its connection is dead.
 *
 * Streams without a token of the source, and those that the schema lets outlive it, are left
 * alone.
 */
export function keepStreams(renew: (call: CallOptions) => Promise<unknown>, { answering = [] }: KeepOptions = {}): Interceptor {
  const keeper = new Keeper(renew);
  return (next) => async (req) => {
    const token = req.contextValues.get(sentToken);
    if (token === null) {
      return next(req);
    }
    if (!req.stream) {
      const at = Date.now();
      const res = await next(req);
      keeper.renewed(token, at); // not before: what does not get there extends nothing
      return res;
    }
    if (!livesByLease(req.method)) {
      return next(req);
    }
    const stream = keeper.open(token, req, answering.includes(req.method));
    const res = await unlessAborted(next({ ...req, signal: stream.signal }), stream.signal);
    return res.stream ? { ...res, message: stream.read(res.message) } : res;
  };
}

class Keeper {
  readonly #renew: (call: CallOptions) => Promise<unknown>;
  readonly #streams = new Set<KeptStream>();
  #token = "";
  #posted = ""; // the last that the others were told of
  #margin = 0; // how many milliseconds before a token's time the next is fetched
  #due = Infinity; // when to renew, by this machine's clock
  #begun = 0; // when the last renewal was
  #failures = 0; // of renewals, in a row
  #timer: ReturnType<typeof setTimeout> | undefined;

  // Says to the others which token has been brought, and when.
  readonly #channel = new Channel("ostiary:renewals", ({ token, at }) => {
    const ours = holderOf(this.#token);
    if (ours !== undefined && typeof token === "string" && typeof at === "number" && holderOf(token) === ours) {
      this.#extend(token, at);
    }
  });

  constructor(renew: (call: CallOptions) => Promise<unknown>) {
    this.#renew = renew;
  }

  open(token: string, { signal }: StreamRequest, answers: boolean): KeptStream {
    const stream = new KeptStream(this.#learn(token), answers);
    this.#streams.add(stream);
    this.#channel.open();
    // Connect aborts the signal of a call in whatever way it has ended.
    onAbort(signal, () => {
      this.#end(stream, signal.reason);
      this.#schedule();
    });
    this.#schedule();
    return stream;
  }

  /** A call, made at a time, has brought a token to the server. */
  renewed(token: string, at: number): void {
    this.#extend(token, at);
    if (token !== this.#posted) {
      this.#posted = token;
      this.#channel.post({ token, at });
    }
  }

  #extend(token: string, at: number): void {
    const until = this.#learn(token);
    this.#streams.forEach((stream) => stream.renewed(until, at));
    this.#schedule();
  }

  /** Plans the next renewal by a token, and returns until when that is good at most. */
  #learn(token: string): number {
    const time = millisecondsLeft(token);
    if (token !== this.#token) {
      this.#token = token;
      this.#margin = (time?.lifetime ?? 0) * renewAt;
      // Where this machine's clock is ahead, even a new token seems to be about to expire.
      this.#due = time === undefined ? Infinity : Math.max(Date.now() + time.left - this.#margin, this.#begun + this.#margin);
    }
    return time === undefined ? Infinity : Date.now() + time.lifetime;
  }

  #end(stream: KeptStream, reason: unknown): void {
    this.#streams.delete(stream);
    stream.end(reason);
    if (this.#streams.size === 0) {
      this.#channel.close();
    }
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
        this.#end(stream, new ConnectError("the stream was silent until its lease was over", Code.Unavailable));
      }
    }
    if (this.#streams.size > 0 && this.#due <= now) {
      void this.#call();
    }
    this.#schedule();
  }

  async #call(): Promise<void> {
    this.#due = Infinity; // until a token has been brought
    const holder = holderOf(this.#token);
    const here = await unlessElsewhere(holder && `ostiary:renewal:${holder}`, async () => {
      this.#begun = Date.now();
      try {
        const timeoutMs = Math.min(Math.max(1_000, this.#margin), 60_000);
        await this.#renew({ contextValues: createContextValues().set(freshToken, true), timeoutMs });
        this.#retry();
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        if (error.code === Code.Unauthenticated) {
          this.#streams.forEach((stream) => this.#end(stream, error));
        }
        this.#retry(error);
      }
    });
    if (!here) {
      this.#due = Math.min(this.#due, Date.now() + elsewhere);
    }
    this.#schedule();
  }

  /** Plans another renewal, unless one that has brought a new token has planned the next. */
  #retry(error?: ConnectError): void {
    if (this.#due === Infinity) {
      this.#due = Date.now() + backoff(++this.#failures, error);
    } else {
      this.#failures = 0;
    }
  }
}
