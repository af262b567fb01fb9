import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, keepStreams, type TokenSource } from "@ostiary/client";
import { AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { createContext, useContext, useSyncExternalStore } from "react";
import { Patience } from "./patience";
import { atTheWire } from "./wire";

/** The session where it was begun, as far as leaving it goes. */
export interface Issuer {
  /** Goes on with the session in this page no longer, whatever becomes of it there. */
  forget(): void;
  /** Ends the session there: the user wants to leave. Default: it goes on. */
  end?(signal: AbortSignal): Promise<void>;
  /** Is called instead where the server has ended the session. Default: there is nothing to do. */
  over?(signal: AbortSignal): Promise<void>;
  /** What is to be said where the session has not been ended there. */
  readonly lasting: string;
  /** Calls onEnd when the session is over there, or another one has begun, until the function that it returns is called. */
  watch?(onEnd: () => void): () => void;
}

/** Tokens and clients of whoever is signed in. */
export class SignedIn {
  readonly transport: Transport;
  readonly access: Client<typeof AccessService>;
  readonly identity: Client<typeof IdentityService>;
  readonly sessions: Client<typeof SessionService>;
  readonly source: TokenSource;
  readonly patience = new Patience();

  #token = "";
  #renewals = -1;
  #snapshot = { token: "", renewals: 0 };
  readonly #listeners = new Set<() => void>();

  constructor(source: TokenSource, readonly issuer: Issuer) {
    this.source = { getToken: async (options) => this.#note(await source.getToken(options)) };
    const baseUrl = location.origin;
    this.transport = createConnectTransport({
      baseUrl,
      interceptors: [
        this.patience.interceptor,
        authInterceptor(this.source, baseUrl),
        keepStreams((call) => this.identity.whoAmI({}, call), { answering: [IdentityService.method.watchIdentity] }),
        atTheWire,
      ],
    });
    this.access = createClient(AccessService, this.transport);
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

/** Whether calls have to wait for long. */
export function useLate(): boolean {
  const { subscribe, isOver } = useSignedIn().patience;
  return useSyncExternalStore(subscribe, isOver);
}
