import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { IdentityService } from "../src/gen/ostiary/identity/v1/identity_pb.js";
import type { TokenOptions, TokenSource } from "../src/index.js";

export function identityClient(baseUrl: string, ...interceptors: Interceptor[]): Client<typeof IdentityService> {
  return createClient(IdentityService, createConnectTransport({ baseUrl, interceptors }));
}

/** A source that hands out the given tokens in order, and notes how it was asked. */
export class Tokens implements TokenSource {
  readonly asked: boolean[] = [];
  readonly #tokens: (string | null)[];

  constructor(...tokens: (string | null)[]) {
    this.#tokens = tokens;
  }

  async getToken({ fresh = false }: TokenOptions = {}): Promise<string | null> {
    this.asked.push(fresh);
    return this.#tokens.shift() ?? null;
  }
}

/** Claims of a token whose time is up, even for a server whose clock is a little behind. */
export function expired() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now - 120, nbf: now - 120, exp: now - 60 };
}

/** Claims of a token whose time is to come. */
export function early() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now, nbf: now + 600, exp: now + 660 };
}
