import { ConnectError } from "@connectrpc/connect";
import { readClaims } from "./claims.js";
import { isAboutTime, isSignedOut } from "./reason.js";

/** Finds out from the calls of a transport when the session is over, and says so once. */
export class SignOuts {
  readonly #onSignedOut: ((error: ConnectError) => void) | undefined;
  #session: string | undefined; // that the last token was of
  over: string | undefined; // the session whose end was told, unless a call that began later was answered

  constructor(onSignedOut: ((error: ConnectError) => void) | undefined) {
    this.#onSignedOut = onSignedOut;
  }

  /** A call is sent with a token. */
  sent(token: string): void {
    this.#session = sessionOf(token);
  }

  /** A call was answered, that began with what `over` was then. The one that has ended the session is answered after the end. */
  answered(over: string | undefined): void {
    if (over === this.over) {
      this.over = undefined;
    }
  }

  /**
   * A call with a token, or none, has failed, and is not repeated. Where its token has expired, the session is over only
   * if that was final. The end of a session before the present one is no news.
   */
  failed(error: unknown, token: string | null, final: boolean): void {
    const session = token === null ? this.#session : sessionOf(token);
    if (session === this.#session && session !== this.over && (final || !isAboutTime(error)) && isSignedOut(error)) {
      this.over = session;
      // What the callback throws is not the call's.
      queueMicrotask(() => this.#onSignedOut?.(ConnectError.from(error)));
    }
  }

  /** Reads what a stream brings, that was opened when `over` was so, with a token that was fresh or not. */
  async *read<T>(messages: AsyncIterable<T>, over: string | undefined, token: string | null, fresh: boolean): AsyncGenerator<T> {
    try {
      for await (const message of messages) {
        fresh = false; // it was good
        this.answered(over);
        yield message;
      }
    } catch (error) {
      this.failed(error, token, fresh);
      throw error;
    }
  }
}

function sessionOf(token: string): string {
  return readClaims(token)?.sid ?? token;
}
