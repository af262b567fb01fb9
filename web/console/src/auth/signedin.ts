import { type Client, type ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, keepStreams, type TokenSource } from "@ostiary/client";
import { AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { DecisionService } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { type Identity, IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { StatusService } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { TokenService } from "@ostiary/client/gen/ostiary/token/v1/token_pb";
import { QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useSyncExternalStore } from "react";
import { StreamPriority } from "../api/priority";
import { SlowCalls } from "../api/slowcalls";
import { atTheWire } from "../api/wire";

/** The session at its issuer, as far as signing out goes. */
export interface IssuerSession {
  /** Makes this page use the session no longer, whatever becomes of it at the issuer. */
  forget(): void;
  /** Ends the session at the issuer because the user signs out. Default: it goes on. */
  end?(signal: AbortSignal): Promise<void>;
  /** Is called instead where the server has ended the session. Default: nothing has to be done. */
  ended?(signal: AbortSignal): Promise<void>;
  /** The name of an issuer that goes on with its session although the server has ended it. The user can end it there, too. */
  readonly at?: string;
  /** What the user is told where the session goes on at the issuer. */
  readonly goesOn: string;
  /** Calls onEnd when the session ends at the issuer, or another one begins, until the returned function is called. */
  watch?(onEnd: () => void): () => void;
}

/** Where the caller's identity is kept in the query cache. */
export const identityKey = ["identity"];

/** Where it is kept what the caller may use. */
export const permittedKey = ["permitted"];

/** What of an identity says what the caller may use. */
function permissionsOf({ organization, roles, permissions, scopes }: Identity): string {
  return JSON.stringify([organization?.id, organization?.role, roles, permissions, scopes]);
}

/** The token source, the clients and the cache of the user who is signed in. */
export class SignedIn {
  readonly transport: Transport;
  readonly access: Client<typeof AccessService>;
  readonly decisions: Client<typeof DecisionService>;
  readonly identity: Client<typeof IdentityService>;
  readonly revocations: Client<typeof RevocationService>;
  readonly sessions: Client<typeof SessionService>;
  readonly status: Client<typeof StatusService>;
  readonly tokens: Client<typeof TokenService>;
  readonly source: TokenSource;
  readonly slowCalls = new SlowCalls();
  readonly streams = new StreamPriority();
  // navigator.onLine can be wrong: calls are made in any case.
  readonly queries = new QueryClient({
    defaultOptions: { queries: { retry: 1, networkMode: "always", refetchOnReconnect: true }, mutations: { networkMode: "always" } },
  });

  #token = "";
  #renewals = -1;
  #snapshot = { token: "", renewals: 0 };
  readonly #listeners = new Set<() => void>();

  constructor(
    source: TokenSource,
    readonly issuerSession: IssuerSession,
  ) {
    this.source = { getToken: async (options) => this.#note(await source.getToken(options)) };
    const baseUrl = location.origin;
    this.transport = createConnectTransport({
      baseUrl,
      interceptors: [
        this.slowCalls.interceptor,
        authInterceptor(this.source, baseUrl),
        keepStreams(async (call) => this.setIdentity((await this.identity.whoAmI({}, call)).identity), {
          answering: [IdentityService.method.watchIdentity],
        }),
        atTheWire,
      ],
    });
    this.access = createClient(AccessService, this.transport);
    this.decisions = createClient(DecisionService, this.transport);
    this.identity = createClient(IdentityService, this.transport);
    this.revocations = createClient(RevocationService, this.transport);
    this.sessions = createClient(SessionService, this.transport);
    this.status = createClient(StatusService, this.transport);
    this.tokens = createClient(TokenService, this.transport);
  }

  /** Takes the identity that the server has read from the latest token. What the caller may use is asked again where that has changed. */
  setIdentity(identity: Identity | undefined): void {
    if (identity === undefined) {
      return;
    }
    const before = this.queries.getQueryData<Identity>(identityKey);
    this.queries.setQueryData(identityKey, identity);
    if (before !== undefined && permissionsOf(before) !== permissionsOf(identity)) {
      void this.queries.invalidateQueries({ queryKey: permittedKey });
    }
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

interface Context {
  signedIn: SignedIn;
  /** Signs out because a call was refused with an error that says so; shows any other error. */
  onEnd: (error: ConnectError) => void;
}

const context = createContext<Context | undefined>(undefined);
export const SignedInProvider = context.Provider;

function useContextValue(): Context {
  const value = useContext(context);
  if (value === undefined) {
    throw new Error("useSignedIn is used outside of SignedInProvider");
  }
  return value;
}

export function useSignedIn(): SignedIn {
  return useContextValue().signedIn;
}

export function useOnEnd(): (error: ConnectError) => void {
  return useContextValue().onEnd;
}

export function useLatestToken(): { token: string; renewals: number } {
  const { subscribe, latest } = useSignedIn();
  return useSyncExternalStore(subscribe, latest);
}

/** Whether calls wait for their answer for long. */
export function useSlowCalls(): boolean {
  const { subscribe, any } = useSignedIn().slowCalls;
  return useSyncExternalStore(subscribe, any);
}
