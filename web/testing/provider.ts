import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
// @ts-expect-error it has no types
import Provider from "oidc-provider";
import { Server } from "./server.js";

/** The client of the console, and the name of the API. */
export const clientId = "console";
export const api = "https://api.example.com";

export interface ProviderOptions {
  /** The host of the issuer: localhost, as the console's, or 127.0.0.1, which is another site. */
  host?: "localhost" | "127.0.0.1";
  /** How many seconds access tokens live. */
  accessTokenTTL?: number;
  /** Whether refresh tokens are given out. They are rotated. */
  refreshTokens?: boolean;
  /** Whether users can sign out. Default: they can. */
  logout?: boolean;
  /** The redirect URI that is registered. Default: the console's. */
  redirectURI?: string;
  /** Whether its answers do not name it (RFC 9207). */
  silent?: boolean;
}

/** The real provider of OpenID Connect from npm, with its own pages: any name signs in, with any password. */
export class OpenIDProvider {
  /** What was asked of it: method, path and query. */
  readonly requests: string[] = [];
  /** Whether its key set is answered with 503. */
  keyless = false;
  readonly #options: ProviderOptions;
  readonly #server = createServer((request, response) => this.#serve(request, response));
  #handler: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined;

  private constructor(options: ProviderOptions) {
    this.#options = options;
  }

  /** Starts to listen; it does not serve yet, since a provider has to know its clients. */
  static async start(options: ProviderOptions = {}): Promise<OpenIDProvider> {
    const started = new OpenIDProvider(options);
    started.#server.listen(0, "127.0.0.1");
    await once(started.#server, "listening");
    return started;
  }

  get url(): string {
    return `http://${this.#options.host ?? "localhost"}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves, with the console at a redirect URI as its client. */
  serve(redirectURI: string): void {
    const { accessTokenTTL = 3600, refreshTokens = false, logout = true, silent = false } = this.#options;
    const registered = this.#options.redirectURI ?? redirectURI;
    const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
    const provider = new Provider(this.url, {
      clients: [
        {
          client_id: clientId,
          token_endpoint_auth_method: "none",
          grant_types: ["authorization_code", ...(refreshTokens ? ["refresh_token"] : [])],
          redirect_uris: [registered],
          post_logout_redirect_uris: [registered],
        },
      ],
      jwks: { keys: [{ ...key, kid: "one", alg: "RS256", use: "sig" }] },
      cookies: { keys: ["not a secret"] },
      pkce: { required: () => true },
      clientBasedCORS: () => true,
      findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
      issueRefreshToken: () => refreshTokens,
      extraTokenClaims: (_: unknown, token: { sid?: string }) => ({ sid: token.sid }),
      features: {
        rpInitiatedLogout: { enabled: logout },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({ scope: "", audience: api, accessTokenTTL, accessTokenFormat: "jwt" }),
        },
      },
    });
    if (silent) {
      provider.use(withoutIssuer);
    }
    provider.on("server_error", (_: unknown, error: unknown) => console.error(error));
    this.#handler = provider.callback();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${request.method} ${request.url}`);
    if (this.#handler === undefined || (this.keyless && request.url === "/jwks")) {
      response.writeHead(503).end();
    } else {
      this.#handler(request, response);
    }
  }
}

interface Answer {
  body?: { authorization_response_iss_parameter_supported?: boolean };
  response: { get(name: string): string; set(name: string, value: string): void };
}

/** Takes the name of the provider out of its answers, and out of its discovery document that it is in them. */
async function withoutIssuer(answer: Answer, next: () => Promise<void>): Promise<void> {
  await next();
  delete answer.body?.authorization_response_iss_parameter_supported;
  const location = answer.response.get("Location");
  if (URL.canParse(location)) {
    const url = new URL(location);
    url.searchParams.delete("iss");
    answer.response.set("Location", url.href);
  }
}

/** The path at the console that an issuer at an origin sends the browser back to. */
export function callbackOf(issuer: string): string {
  return `/console/callback/${new URL(issuer).host.replace(":", "-")}`;
}

/** A console whose users sign in at a provider. */
export interface SignInStage {
  provider: OpenIDProvider;
  server: Server;
  stop(): Promise<void>;
}

/** What the server is set to. Default: what suits the provider. */
export interface ServerOptions {
  audience?: string;
  resource?: string;
  /** The provider does not serve until it is told to. */
  away?: boolean;
}

/** Starts a provider, and a server with its console as the client. */
export async function stageSignIn({ audience = api, resource = api, away = false, ...options }: ProviderOptions & ServerOptions = {}): Promise<SignInStage> {
  const provider = await OpenIDProvider.start(options);
  const issuer = ["--issuer", provider.url, "--profile", "oidc", "--audiences", audience, "--console-client-id", clientId];
  const server = await Server.serve("--console", ...issuer, ...(resource === "" ? [] : ["--console-resource", resource]));
  if (!away) {
    provider.serve(server.url + callbackOf(provider.url));
  }
  const stop = async () => {
    await server.stop();
    await provider.stop();
  };
  return { provider, server, stop };
}
