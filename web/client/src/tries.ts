import { type ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import { backoff, isPassing, isCutShort, longest } from "./backoff.js";
import { freshToken, sentToken } from "./intercept.js";
import { isAboutTime } from "./reason.js";

/** How many milliseconds a stream lasts that was not let in and thrown out at once. */
const alive = 2_000;

/** Decides whether a stream that has ended is opened again, and when. */
export class Tries {
  #values = createContextValues(); // of the present try
  #began = 0;
  #heard = false; // something, in the present try
  #everHeard = false;
  #failures = 0; // in a row
  #fresh = false; // the next try wants a fresh token
  #hurried = false; // a try was made at once, and no stream has lived since
  #lastToken: string | null = null; // of the try before

  /** Begins a try, and returns what its call is to be made with. */
  begin(): ContextValues {
    this.#values = createContextValues().set(freshToken, this.#fresh);
    this.#began = Date.now();
    this.#heard = false;
    return this.#values;
  }

  /** Takes note of a message, and tells whether it is the first of its try. */
  heard(): boolean {
    const first = !this.#heard;
    this.#heard = this.#everHeard = true;
    return first;
  }

  /** Returns how many milliseconds to wait until the next try, or throws the error where none can help. */
  delayAfter(error: ConnectError): number {
    const aboutTime = isAboutTime(error);
    const token = this.#values.get(sentToken);
    const nothingNew = this.#fresh && token !== null && token === this.#lastToken;
    if (aboutTime ? nothingNew : !isPassing(error) && !(this.#everHeard && isCutShort(error))) {
      throw error;
    }
    // A stream without a message may have waited all that time for its refusal.
    if (Date.now() - this.#began >= (this.#heard ? alive : longest)) {
      this.#failures = 0;
      this.#hurried = false;
    }
    const hurry = aboutTime && !this.#hurried;
    this.#hurried ||= hurry;
    this.#fresh = aboutTime;
    this.#lastToken = token;
    return hurry ? 0 : backoff(++this.#failures, error);
  }
}
