/**
 * Tokens of the development issuer of `ostiary dev`, for development and tests.
 *
 * @module
 */
import { readClaims } from "./claims.js";
import { type TokenOptions, type TokenSource, TokenSourceError } from "./source.js";

/** Who to be, at the development issuer of `ostiary dev`. */
export interface DevSourceOptions {
  /** Where the issuer is, such as `http://localhost:8080`. */
  issuer: string;
  /** The name of a persona, such as `ada`. */
  persona: string;
  /** The session to go on with. Default: the persona signs in anew. */
  session?: string | undefined;
  /** How long each token lives, such as `5s`. Default: the persona's own, a minute. */
  ttl?: string | undefined;
}

/** A source of the development issuer's tokens, all of one session. */
export interface DevSource extends TokenSource {
  /** The session of the last token; undefined before there is one, and for machines. */
  readonly session: string | undefined;
}

/** How much of a token's lifetime may be left when it is replaced. */
const renewAt = 0.25;

/** How many milliseconds the issuer has to answer. All who want a token wait for the same one. */
const patience = 10_000;

/** Makes a source of a persona's tokens. It is for development alone. */
export function devSource(options: DevSourceOptions): DevSource {
  return new Persona(options);
}

class Persona implements DevSource {
  session: string | undefined;
  #token = "";
  #renew = 0; // when, by this machine's clock
  #pending: Promise<string> | undefined;

  readonly #options: DevSourceOptions;

  constructor(options: DevSourceOptions) {
    this.#options = options;
    this.session = options.session;
  }

  async getToken({ fresh = false }: TokenOptions = {}): Promise<string> {
    if (!fresh && Date.now() < this.#renew) {
      return this.#token;
    }
    this.#pending ??= this.#mint().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #mint(): Promise<string> {
    const { issuer, persona, ttl } = this.#options;
    const asked = Date.now();
    const response = await reach(new URL("/dev/token", issuer), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        as: persona,
        ttl,
        new_session: this.session === undefined,
        claims: {
          ...(this.session === undefined ? {} : { sid: this.session }),
          // As Clerk says it: the page that the token was made for.
          ...(globalThis.location === undefined ? {} : { azp: globalThis.location.origin }),
        },
      }),
    });
    const { token, error }: { token?: unknown; error?: unknown } = Object(await response.json().catch(() => ({})));
    const { sid, iat, exp } = readClaims(String(token)) ?? {};
    if (typeof token !== "string" || typeof iat !== "number" || typeof exp !== "number") {
      const permanent = response.status >= 400 && response.status < 500;
      const why = typeof error === "string" ? error : `it has answered with status ${response.status} and no token`;
      throw new TokenSourceError(`the development issuer refuses: ${why}`, { permanent });
    }
    this.session = sid;
    this.#token = token;
    this.#renew = asked + (exp - iat) * 1000 * (1 - renewAt);
    return token;
  }
}

async function reach(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(patience) });
  } catch (cause) {
    // Browsers do not tell a page which of the two it is.
    const page = globalThis.location?.origin;
    const refused = page === undefined || page === url.origin ? "" : `, with --cors-allowed-origins ${page}`;
    throw new TokenSourceError(`the development issuer cannot be reached at ${url.origin}: run ostiary dev there${refused}`, { cause });
  }
}
