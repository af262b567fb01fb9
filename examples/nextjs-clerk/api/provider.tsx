"use client";

import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, keepStreams, type TokenSource } from "@ostiary/client";
import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { createContext, type ReactNode, useContext, useMemo } from "react";
import { useSession } from "@/auth/session";

const TransportContext = createContext<Transport | undefined>(undefined);

export function ApiProvider({ baseUrl, children }: { baseUrl: string; children: ReactNode }) {
  const { source } = useSession();
  const transport = useMemo(() => connect(baseUrl, source), [baseUrl, source]);
  return <TransportContext value={transport}>{children}</TransportContext>;
}

/** A client of a service of the API, which sends the session's tokens. */
export function useApiClient<S extends DescService>(service: S): Client<S> {
  const transport = useContext(TransportContext);
  if (transport === undefined) {
    throw new Error("useApiClient needs an ApiProvider around it");
  }
  return useMemo(() => createClient(service, transport), [service, transport]);
}

function connect(baseUrl: string, source: TokenSource): Transport {
  // A token lives for a minute: while streams are open, calls with fresh ones keep them open.
  const interceptors = [authInterceptor(source, baseUrl), keepStreams((call) => identity.whoAmI({}, call))];
  const transport = createConnectTransport({ baseUrl, interceptors });
  const identity: Client<typeof IdentityService> = createClient(IdentityService, transport);
  return transport;
}
