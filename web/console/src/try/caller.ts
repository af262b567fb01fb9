import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, type TokenSource } from "@ostiary/client";
import { devSource } from "@ostiary/client/dev";
import { useRef } from "react";
import { atTheWire } from "../api/wire";
import { useSignedIn } from "../auth/signedin";
import { trimToken } from "../token/trim";

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

/** Returns what makes the calls of each caller. A persona stays in one session for as long as the page is shown. */
export function useTransports(): (caller: Caller) => Transport {
  const { transport } = useSignedIn();
  const personas = useRef(new Map<string, Transport>());
  return (caller) => {
    switch (caller.who) {
      case "me":
        return transport;
      case "nobody":
        return transportWith(undefined);
      case "bearer": {
        const token = trimToken(caller.token);
        return transportWith({ getToken: async () => token });
      }
      case "persona": {
        const known = personas.current.get(caller.name) ?? transportWith(devSource({ issuer: location.origin, persona: caller.name }));
        personas.current.set(caller.name, known);
        return known;
      }
    }
  };
}

function transportWith(source: TokenSource | undefined): Transport {
  const baseUrl = location.origin;
  return createConnectTransport({ baseUrl, interceptors: source === undefined ? [atTheWire] : [authInterceptor(source, baseUrl), atTheWire] });
}
