import { Code, ConnectError } from "@connectrpc/connect";
import { type Identity, WatchIdentityResponseSchema } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { priorities, type StreamStatus, useStream } from "../api/stream";
import { identityKey, useOnEnd, useSignedIn } from "./signedin";

/** How often, in milliseconds, a window that waits for a stream asks whether its session goes on. */
const pollEvery = 5000;

/** The caller, and the stream that brings the caller's identity. */
export interface Watched {
  identity: Identity | undefined;
  stream: StreamStatus;
  messages: number;
}

/** Follows the caller's identity. It ends with useOnEnd when the session is no longer good. */
export function useWatchedIdentity(): Watched {
  const signedIn = useSignedIn();
  const onEnd = useOnEnd();
  const [messages, setMessages] = useState(0);
  const stream = useStream({
    name: "WatchIdentity",
    schema: WatchIdentityResponseSchema,
    open: (call) => signedIn.identity.watchIdentity({}, call),
    priority: priorities.identity,
    onMessage: ({ identity }) => {
      if (identity !== undefined) {
        signedIn.setIdentity(identity); // without one it is a heartbeat
        setMessages((count) => count + 1);
      }
    },
    onEnd,
  });
  const queued = stream.state === "queued";
  const { data: identity, error } = useQuery({
    queryKey: identityKey,
    queryFn: async ({ signal }) => {
      const { identity } = await signedIn.identity.whoAmI({}, { signal });
      signedIn.setIdentity(identity);
      return identity ?? null;
    },
    enabled: queued,
    refetchInterval: queued ? pollEvery : false,
  });
  useEffect(() => {
    const failure = error === null ? undefined : ConnectError.from(error);
    if (failure?.code === Code.Unauthenticated) {
      onEnd(failure);
    }
  }, [error, onEnd]);
  return { identity: identity ?? undefined, stream, messages };
}
