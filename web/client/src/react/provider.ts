"use client";
import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, type ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { createContext, createElement, type ReactNode, useContext, useMemo } from "react";
import { IdentityService, type WatchIdentityRequestSchema, type WatchIdentityResponse, type WatchIdentityResponseSchema } from "../gen/ostiary/identity/v1/identity_pb.js";
import { authInterceptor } from "../intercept.js";
import { keepStreams } from "../keep.js";
import type { TokenSource } from "../source.js";
import { useLatest } from "./latest.js";
import { LiveStream } from "./live.js";

/** What a transport is made of. */
export interface TransportOptions {
  baseUrl: string;
  interceptors: Interceptor[];
}

export interface ApiProviderProps {
  /** Where the API is, such as `https://api.example.com`. */
  baseUrl: string;
  /** Where tokens come from. Keep it, with `useMemo` or outside of components: another source is another user, and opens all streams again. */
  source: TokenSource;
  /** Is called when the session is over, as the interceptor's `onSignedOut`. Default: nobody is told. */
  onSignedOut?: ((error: ConnectError) => void) | undefined;
  /**
   * A cheap unary call by which the leases of open streams are renewed. Default: WhoAmI
   * of ostiary's IdentityService; give another where the API does not serve that.
   */
  renew?: ((transport: Transport, call: CallOptions) => Promise<unknown>) | undefined;
  /** Makes the transport, once for each baseUrl and source. Default: `createConnectTransport`. */
  createTransport?: ((options: TransportOptions) => Transport) | undefined;
  children?: ReactNode;
}

/** What the hooks share: one transport, with one keeper of streams, and one stream of the identity. */
export interface Api {
  transport: Transport;
  identity: LiveStream<typeof WatchIdentityRequestSchema, typeof WatchIdentityResponseSchema>;
}

const ApiContext = createContext<Api | undefined>(undefined);

/** Gives the hooks beneath it an API, and the tokens to call it with. */
export function ApiProvider({ baseUrl, source, children, ...callbacks }: ApiProviderProps): ReactNode {
  const latest = useLatest(callbacks);
  const api = useMemo((): Api => {
    const interceptors = [
      authInterceptor(source, baseUrl, { onSignedOut: (error) => latest.current.onSignedOut?.(error) }),
      keepStreams((call) => (latest.current.renew ?? whoAmI)(transport, call), { answering: [IdentityService.method.watchIdentity] }),
    ];
    const transport: Transport = (latest.current.createTransport ?? createConnectTransport)({ baseUrl, interceptors });
    const keep = ({ identity }: WatchIdentityResponse) => identity !== undefined;
    return { transport, identity: new LiveStream(transport, IdentityService.method.watchIdentity, {}, { keep }) };
  }, [baseUrl, source, latest]);
  return createElement(ApiContext.Provider, { value: api }, children);
}

function whoAmI(transport: Transport, call: CallOptions): Promise<unknown> {
  return createClient(IdentityService, transport).whoAmI({}, call);
}

export function useApi(): Api {
  return required(useContext(ApiContext));
}

function required<T>(found: T | undefined): T {
  if (found === undefined) {
    throw new Error("there is no ApiProvider around this component: put one around your application");
  }
  return found;
}

/** The transport that is given, or else that of the API, which must be there then. */
export function useTransport(own: Transport | undefined): Transport {
  const api = useContext(ApiContext);
  return own ?? required(api).transport;
}

/** The transport of the API, such as for the `TransportProvider` of `@connectrpc/connect-query`. It is the same until baseUrl or source change. */
export function useApiTransport(): Transport {
  return useApi().transport;
}

/** A client of a service of the API, which sends the user's tokens. It is the same until baseUrl, source or service change. */
export function useApiClient<S extends DescService>(service: S): Client<S> {
  const transport = useApiTransport();
  return useMemo(() => createClient(service, transport), [service, transport]);
}
