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
    this.#session = readClaims(token)?.sid ?? token;
  }

  /** A call was answered, that began with what `over` was then. The one that has ended the session is answered after the end. */
  answered(over: string | undefined): void {
    if (over === this.over) {
      this.over = undefined;
    }
  }

  /** A call has failed, and is not repeated. */
  failed(error: unknown): void {
    if (this.over !== this.#session && isSignedOut(error)) {
      this.over = this.#session;
      // What the callback throws is not the call's.
      queueMicrotask(() => this.#onSignedOut?.(ConnectError.from(error)));
    }
  }

  /**
   * Reads what a stream brings. Where its token expires, the session is not over, since the caller can open the
   * stream again; unless that was just done with a fresh token.
   */
  async *read<T>(over: string | undefined, messages: AsyncIterable<T>, lastTry: boolean): AsyncGenerator<T> {
    try {
      for await (const message of messages) {
        lastTry = false;
        this.answered(over);
        yield message;
      }
    } catch (error) {
      if (lastTry || !isAboutTime(error)) {
        this.failed(error);
      }
      throw error;
    }
  }
}
