import { ConnectError } from "@connectrpc/connect";
import { resumable, type StreamState } from "@ostiary/client";
import type { Identity } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { useEffect, useState } from "react";
import { useVisible } from "./browser";
import type { SignedIn } from "./signedin";

/** What is known of the caller, by a stream that lasts as long as the session. */
export interface Watched {
  identity?: Identity;
  stream: StreamState;
  messages: number;
}

/** Watches the caller's identity for as long as the page is seen. onEnd is told why the session is no longer good. */
export function useIdentity(signedIn: SignedIn, onEnd: (error: ConnectError) => void): Watched {
  const [watched, setWatched] = useState<Watched>({ stream: { state: "opening" }, messages: 0 });
  const visible = useVisible();
  useEffect(() => {
    if (!visible) {
      return undefined;
    }
    const stop = new AbortController();
    const onState = (stream: StreamState) => setWatched((w) => ({ ...w, stream }));
    (async () => {
      for await (const { identity } of resumable((call) => signedIn.identity.watchIdentity({}, call), { signal: stop.signal, onState })) {
        if (identity !== undefined) { // else it is a heartbeat
          setWatched((w) => ({ ...w, identity, messages: w.messages + 1 }));
        }
      }
    })().catch((error: unknown) => {
      if (!stop.signal.aborted) {
        onEnd(ConnectError.from(error));
      }
    });
    return () => stop.abort();
  }, [signedIn, onEnd, visible]);
  return watched;
}
