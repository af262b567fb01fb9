import { Code, ConnectError } from "@connectrpc/connect";
import { unlessAborted } from "./abort.js";
import { type TokenSource, TokenSourceError } from "./source.js";

/** Asks a source for the tokens of many calls. */
export class Asker {
  readonly #source: TokenSource;
  #latest: string | null = null;
  #pending: Promise<string | null> | undefined;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** Returns a token, or null when nobody is signed in. Calls that want a fresh one at the same time share it. */
  async token(fresh: boolean, signal: AbortSignal): Promise<string | null> {
    if (!fresh) {
      return unlessAborted(this.#ask(false), signal);
    }
    const pending = (this.#pending ??= this.#ask(true));
    try {
      return await unlessAborted(pending, signal);
    } finally {
      // Whoever gives up may have waited for something that never comes: the next asks anew.
      if (this.#pending === pending) {
        this.#pending = undefined;
      }
    }
  }

  /** Returns a token in place of one that was refused: the one that others have had since, else a fresh one. */
  async another(refused: string, signal: AbortSignal): Promise<string | null> {
    return this.#latest !== null && this.#latest !== refused ? this.#latest : this.token(true, signal);
  }

  async #ask(fresh: boolean): Promise<string | null> {
    try {
      // Functions without types give undefined and "" where nobody is signed in.
      this.#latest = (await this.#source.getToken({ fresh })) || null;
      return this.#latest;
    } catch (thrown) {
      throw noToken(thrown instanceof TokenSourceError ? thrown : new TokenSourceError(describe(thrown), { cause: thrown }));
    }
  }
}

/** The error of a call that is not made, since there is no token for it. */
export function noToken(failure: TokenSourceError): ConnectError {
  const code = failure.permanent ? Code.Unauthenticated : Code.Unavailable;
  return new ConnectError(`no token could be had: ${failure.message}`, code, undefined, undefined, failure);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error && thrown.message !== "" ? thrown.message : "its source does not say why";
}
