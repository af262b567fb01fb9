import { Code, ConnectError } from "@connectrpc/connect";
import { unlessAborted } from "./abort.js";
import { type TokenSource, TokenSourceError } from "./source.js";

const askers = new WeakMap<TokenSource, Asker>();

/** Asks a source for the tokens of many calls, of every client that has the source. */
export class Asker {
  readonly #source: TokenSource;
  #latest: string | null = null;
  #pending: Promise<string | null> | undefined;

  private constructor(source: TokenSource) {
    this.#source = source;
  }

  /** Returns the one asker of a source. */
  static of(source: TokenSource): Asker {
    const asker = askers.get(source) ?? new Asker(source);
    askers.set(source, asker);
    return asker;
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
      // One that gives up may have waited for something that never comes: the next asks anew.
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
      return (this.#latest = (await this.#source.getToken({ fresh })) || null);
    } catch (thrown) {
      throw sourceFailed(failureOf(thrown));
    }
  }
}

/** The error of a call that is not made, since there is no token for it. */
export function sourceFailed(failure: TokenSourceError): ConnectError {
  const code = failure.permanent ? Code.Unauthenticated : Code.Unavailable;
  return new ConnectError(`the token source failed: ${failure.message}`, code, undefined, undefined, failure);
}

/** Tells by an HTTP status, which the errors of Clerk and others have, whether asking again is of no use. */
function failureOf(thrown: unknown): TokenSourceError {
  if (thrown instanceof TokenSourceError) {
    return thrown;
  }
  const { message, status } = Object(thrown) as { message?: unknown; status?: unknown };
  const permanent = typeof status === "number" && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  return new TokenSourceError(String(message || "it does not say why"), { cause: thrown, permanent });
}
