import { type TokenOptions, type TokenSource, TokenSourceError } from "@ostiary/client";
import { explainFailure } from "./errors";
import { type Grant, refresh, revoke } from "./flow";
import { signInSilently } from "./frame";
import { type Issuer, nameOf } from "./issuer";

/** How much of a token's lifetime may be left when it is replaced. */
const renewAt = 0.25;

/** How many milliseconds after a failure the next attempt is, while the token is good. */
const retryAfter = 5_000;

/** The tokens of a user who has signed in at an issuer. They are in memory, and nowhere else. */
export class OidcSource implements TokenSource {
  readonly #issuer: Issuer;
  readonly #subject: string | undefined;
  #grant: Grant;
  #renew = 0; // when to replace the access token, by this machine's clock
  #expires = 0;
  #refusal: TokenSourceError | undefined; // why there is no token after the present one
  #pending: Promise<string> | undefined;
  #forgotten = false;

  constructor(issuer: Issuer, grant: Grant) {
    this.#issuer = issuer;
    this.#subject = grant.subject;
    this.#grant = grant;
    this.#take(grant);
  }

  /** The last ID token, which tells the issuer who signs out. */
  get idToken(): string | undefined {
    return this.#grant.idToken;
  }

  /**
   * Returns the present token until it expires, and replaces it meanwhile; a fresh one is waited
   * for. After the issuer has refused another, it is asked again only when the present one expires.
   */
  async getToken({ fresh = false }: TokenOptions = {}): Promise<string> {
    if (Date.now() >= this.#expires) {
      return this.#replaced();
    }
    if (fresh) {
      if (this.#refusal !== undefined) {
        throw this.#refusal;
      }
      return this.#replaced();
    }
    if (Date.now() >= this.#renew) {
      this.#replaced().catch(() => {}); // the next attempt is planned
    }
    return this.#grant.accessToken;
  }

  /** Makes the refresh token useless, as far as the issuer lets it, and one that is still to come. */
  forget(): void {
    this.#forgotten = true;
    this.#revoke(this.#grant);
  }

  #revoke({ refreshToken }: Grant): void {
    if (refreshToken !== undefined) {
      void revoke(this.#issuer, refreshToken).catch(() => {}); // it expires in any case
    }
  }

  /** Replaces the token, once for all who ask meanwhile. */
  #replaced(): Promise<string> {
    this.#pending ??= this.#replace().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #replace(): Promise<string> {
    try {
      const grant = await this.#next();
      if (this.#forgotten) {
        this.#revoke(grant);
        throw new TokenSourceError("you have signed out", { permanent: true });
      }
      if (grant.subject !== undefined && grant.subject !== this.#subject) {
        throw new TokenSourceError(`somebody else has signed in at ${nameOf(this.#issuer.issuer)}. Sign in again.`, { permanent: true });
      }
      this.#take(grant);
      return grant.accessToken;
    } catch (error) {
      const failure = explainFailure(this.#issuer, error);
      if (!failure.permanent) {
        this.#renew = Date.now() + retryAfter;
      } else if (!this.#forgotten && Date.now() < this.#expires) {
        this.#renew = this.#expires;
        this.#refusal = new TokenSourceError(failure.message, { cause: failure });
        throw this.#refusal;
      }
      throw failure;
    }
  }

  async #next(): Promise<Grant> {
    const { refreshToken } = this.#grant;
    if (refreshToken === undefined) {
      return signInSilently(this.#issuer, this.#expires);
    }
    try {
      return await refresh(this.#issuer, refreshToken);
    } catch (error) {
      if (!explainFailure(this.#issuer, error).permanent) {
        throw error;
      }
      // The session may go on: some issuers let a refresh token be used in one window alone.
      return signInSilently(this.#issuer, this.#expires);
    }
  }

  /** Takes over what was given out. A refresh token and an ID token count until others come. */
  #take(grant: Grant): void {
    const { refreshToken, idToken } = this.#grant;
    this.#grant = { ...grant, refreshToken: grant.refreshToken ?? refreshToken, idToken: grant.idToken ?? idToken };
    this.#refusal = undefined;
    this.#expires = Date.now() + grant.lifetime;
    this.#renew = this.#expires - grant.lifetime * renewAt;
  }
}
