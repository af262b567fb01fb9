/**
 * One token for all tabs of a page, of sources that do not share theirs.
 *
 * @module
 */
import { onAbort } from "./abort.js";
import { millisecondsLeft } from "./claims.js";
import { type TokenOptions, type TokenSource, TokenSourceError } from "./source.js";
import { canShare, Channel, inTurn } from "./tabs.js";

/** How much of a token's lifetime may be left when it is replaced. */
const renewAt = 0.25;

/** How many milliseconds a source has to answer, since the other tabs wait for it. */
const answerTimeout = 10_000;

/** How many milliseconds another tab has to hand over its token. */
const handOverTimeout = 500;

/**
 * Makes a source whose tokens all tabs of a page share: one of them asks, and the
 * others receive what it was given. Tokens are kept in memory and never stored.
 *
 *     sharedSource(devSource({ issuer, persona, session }), session)
 *
 * The session names who the tokens are for: tabs with the same name call as the same
 * user, so it must be another one for another user or session. A token is replaced when a
 * quarter of its lifetime is left; tokens that are no JWTs are not shared. A source
 * that does not answer within ten seconds fails with a {@link TokenSourceError}.
 *
 * Clerk's sources do not need this: Clerk shares its tokens itself.
 */
export function sharedSource(source: TokenSource, session: string): SharedSource {
  return new Shared(source, session);
}

/** A source whose tokens all tabs share. */
export interface SharedSource extends TokenSource {
  /**
   * Shares nothing any more, until a token is asked for again: call it when the user has
   * signed out. Those who wait for a token get null. Another session needs another source.
   */
  close(): void;
}

class Shared implements SharedSource {
  readonly #source: TokenSource;
  readonly #name: string;
  readonly #channel: Channel;
  #token: string | null = null;
  #renew = 0; // when the token is to be replaced, by this machine's clock
  #opened: Promise<void> | undefined;
  #closed = new AbortController();
  #received = () => {};

  constructor(source: TokenSource, session: string) {
    this.#source = source;
    this.#name = `ostiary:token:${session}`;
    this.#channel = new Channel(this.#name, ({ token, wanted }) => {
      if (wanted === true && this.#isGood()) {
        this.#channel.post({ token: this.#token });
      } else if (typeof token === "string" || token === null) {
        this.#learn(token);
        this.#received();
      }
    });
  }

  async getToken({ fresh = false }: TokenOptions = {}): Promise<string | null> {
    if (!canShare()) {
      return this.#source.getToken({ fresh });
    }
    const closed = this.#closed.signal;
    const before = this.#token;
    await (this.#opened ??= this.#open(closed).catch((error) => {
      this.#opened = undefined; // the next caller tries again
      throw error;
    }));
    if (!fresh && !closed.aborted && this.#isGood()) {
      return this.#token;
    }
    return inTurn(this.#name, async () => {
      if (!closed.aborted && (this.#token === before || !this.#isGood())) {
        const token = (await this.#ask(fresh)) || null;
        if (!closed.aborted) {
          this.#learn(token);
          this.#channel.post({ token });
        }
      }
      return closed.aborted ? null : this.#token;
    });
  }

  close(): void {
    this.#closed.abort();
    this.#closed = new AbortController();
    this.#opened = undefined;
    this.#channel.close();
    this.#learn(null);
  }

  #isGood(): boolean {
    return Date.now() < this.#renew;
  }

  #learn(token: string | null): void {
    const time = token === null ? undefined : millisecondsLeft(token);
    this.#token = token;
    this.#renew = time === undefined ? 0 : Date.now() + time.left - time.lifetime * renewAt;
  }

  /** Takes over the token of another tab. Each tab holds a lock, by which the next one knows that there are others. */
  async #open(closed: AbortSignal): Promise<void> {
    this.#channel.open();
    const name = `${this.#name}:tab`;
    const { held = [] } = await navigator.locks.query();
    void navigator.locks.request(name, { mode: "shared" }, () => new Promise<void>((resolve) => onAbort(closed, resolve)));
    if (held.some((lock) => lock.name === name)) {
      await new Promise<void>((resolve) => {
        this.#received = resolve;
        setTimeout(resolve, handOverTimeout);
        this.#channel.post({ wanted: true });
      });
    }
  }

  #ask(fresh: boolean): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new TokenSourceError("it has not answered within 10 seconds")), answerTimeout);
      void this.#source.getToken({ fresh }).then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
