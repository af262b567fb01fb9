import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, type TokenSource } from "@ostiary/client";
import { devSource } from "@ostiary/client/dev";
import { useRef } from "react";
import { atTheWire, seenAtTheWire } from "../api/wire";
import { useSignedIn } from "../auth/signedin";
import { trimToken } from "../token/trim";
import type { Api } from "./api";

/** Who makes a call. The bearer of a token is in no history: the token stays in the field that it was pasted into. */
export type Caller = { who: "me" } | { who: "nobody" } | { who: "persona"; name: string } | { who: "bearer"; token: string };

/** A caller as the value of an option. */
export function nameOf(caller: Caller): string {
  return caller.who === "persona" ? `persona ${caller.name}` : caller.who;
}

export function callerNamed(name: string): Caller {
  const [who, persona] = name.split(" ");
  switch (who) {
    case "nobody":
      return { who };
    case "bearer":
      return { who, token: "" };
    case "persona":
      return { who, name: persona ?? "" };
    default:
      return { who: "me" };
  }
}

/**
 * Returns what makes the calls of each caller to a server: this one, if none is named. A persona stays in one
 * session for as long as the page is shown. A token is sent to no other origin than that of the server.
 */
export function useTransports(): (caller: Caller, api?: Api) => Transport {
  const { transport, source } = useSignedIn();
  const personas = useRef(new Map<string, TokenSource>());
  const sourceOf = (caller: Caller): TokenSource | undefined => {
    switch (caller.who) {
      case "me":
        return source;
      case "nobody":
        return undefined;
      case "bearer": {
        const token = trimToken(caller.token);
        return { getToken: async () => token };
      }
      case "persona": {
        const known = personas.current.get(caller.name) ?? devSource({ issuer: location.origin, persona: caller.name });
        personas.current.set(caller.name, known);
        return known;
      }
    }
  };
  return (caller, api) => {
    if (caller.who === "me" && (api === undefined || api.backend === "")) {
      return transport;
    }
    return transportWith(sourceOf(caller), api);
  };
}

function transportWith(source: TokenSource | undefined, api: Api | undefined): Transport {
  const baseUrl = api?.url ?? location.origin;
  return createConnectTransport({
    baseUrl,
    // The clock of a backend is not that of this server.
    interceptors: [...(source === undefined ? [] : [authInterceptor(source, baseUrl)]), api === undefined || api.backend === "" ? atTheWire : seenAtTheWire],
    ...(api === undefined ? {} : { jsonOptions: { registry: api.registry } }),
  });
}
