import { unlessAborted } from "./abort.js";

/**
 * How many milliseconds after its token's time the end of a lease is sure: the
 * server's leeway for clocks, which is 5 s by default, and as long again for its
 * word to arrive. Where the connection lives, the server says first what it is.
 */
const grace = 10_000;

/** An open stream, and what is known here of the lease that it lives by. */
export class KeptStream {
  readonly #answers: boolean;
  readonly #stop = new AbortController();
  #ends: number; // the lease, as far as it is believed
  #offered: number; // and as far as renewals would have it
  #heard = -Infinity; // when the stream has brought something

  /** Its token is good until then; answers says whether it sends a message after every renewal. */
  constructor(until: number, answers: boolean) {
    this.#ends = this.#offered = until;
    this.#answers = answers;
  }

  /** Is aborted when the stream has ended, with the reason. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** When it is to be taken for dead, unless something is heard of it until then. */
  get deadline(): number {
    return Math.max(this.#ends, this.#heard) + grace;
  }

  /** Another call, made at a time, has brought a token that is good until then. */
  renewed(until: number, at: number): void {
    this.#offered = Math.max(this.#offered, until);
    if (!this.#answers || this.#heard >= at) {
      this.#ends = this.#offered;
    }
  }

  end(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** Reads what the stream brings, until it has ended. */
  async *read<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = messages[Symbol.asyncIterator]();
    for (;;) {
      const result = await unlessAborted(iterator.next(), this.signal);
      if (result.done) {
        return;
      }
      this.#heard = Date.now();
      this.#ends = this.#offered;
      yield result.value;
    }
  }
}
