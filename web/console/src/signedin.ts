import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, keepStreams, type TokenSource } from "@ostiary/client";
import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { createContext, useContext, useSyncExternalStore } from "react";

/** What is to be done at the issuer when somebody leaves. */
export interface Issuer {
  /** The user wants to leave. */
  signOut(): Promise<void>;
  /** The server accepts the session no longer. */
  forget(): Promise<void>;
  /** Calls onEnd when the session is over at the issuer, or another one has begun there, until the function that it returns is called. */
  watch?(onEnd: () => void): () => void;
}

/** Tokens and clients of whoever is signed in. */
export class SignedIn {
  readonly transport: Transport;
  readonly identity: Client<typeof IdentityService>;
  readonly sessions: Client<typeof SessionService>;
  readonly source: TokenSource;

  #token = "";
  #renewals = -1;
  #snapshot = { token: "", renewals: 0 };
  readonly #listeners = new Set<() => void>();

  constructor(source: TokenSource, readonly issuer: Issuer) {
    this.source = { getToken: async (options) => this.#note(await source.getToken(options)) };
    const baseUrl = location.origin;
    this.transport = createConnectTransport({
      baseUrl,
      interceptors: [authInterceptor(this.source, baseUrl), keepStreams((call) => this.identity.whoAmI({}, call))],
    });
    this.identity = createClient(IdentityService, this.transport);
    this.sessions = createClient(SessionService, this.transport);
  }

  #note(token: string | null): string | null {
    if (token !== null && token !== this.#token) {
      this.#token = token;
      this.#snapshot = { token, renewals: ++this.#renewals };
      this.#listeners.forEach((listener) => listener());
    }
    return token;
  }

  /** The token that was used last, and how often it was renewed. */
  readonly latest = () => this.#snapshot;

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}

const context = createContext<SignedIn | undefined>(undefined);
export const SignedInProvider = context.Provider;

export function useSignedIn(): SignedIn {
  const value = useContext(context);
  if (value === undefined) {
    throw new Error("nobody is signed in here");
  }
  return value;
}

export function useLatestToken(): { token: string; renewals: number } {
  const { subscribe, latest } = useSignedIn();
  return useSyncExternalStore(subscribe, latest);
}
