import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { readClaims, reasonOf, resumable, type StreamState } from "@ostiary/client";
import { useEffect, useEffectEvent, useId, useState, useSyncExternalStore } from "react";
import { useSignedIn } from "../auth/signedin";
import { explain } from "../ui/errors";
import { useVisible } from "./browser";
import { shareStream } from "./sharing";
import { withSlot } from "./slots";

/** How a stream is doing. */
export type StreamStatus =
  /** It is not wanted, the window is hidden, or another stream of the window has priority. */
  | { state: "off" }
  /** Too many windows have a stream open. */
  | { state: "queued" }
  | { state: "opening" }
  | { state: "open" }
  /** It has failed, and is opened again after so many milliseconds. */
  | { state: "waiting"; delay: number; what: string };

/** Which of the streams that a window wants is open: the last of these. */
export const priorities = { identity: 0, page: 1, user: 2 } as const;

/** Whether the server cannot go on from a position. */
export function isPositionLost(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === "POSITION_EXPIRED" || reason === "POSITION_EPOCH_CHANGED";
}

interface Options<D extends DescMessage> {
  /** Names the method and the request. Windows of the same session share streams of the same name. */
  name: string;
  schema: D;
  open: (call: CallOptions) => AsyncIterable<MessageShape<D>>;
  priority: (typeof priorities)[keyof typeof priorities];
  /** Default: true. */
  enabled?: boolean;
  onMessage: (message: MessageShape<D>) => void;
  /** What windows get that join those which share the stream. Default: the last message. */
  latest?: () => MessageShape<D>;
  /** Is called where another window reads the stream and had to open it again: messages may be missing. Default: that does not matter. */
  onGap?: () => void;
  /** Is called when the stream has ended for good. */
  onEnd: (error: ConnectError) => void;
}

/** Keeps a server stream open while the window is visible, and opens it again after a break. */
export function useStream<D extends DescMessage>({ name, schema, open, priority, enabled = true, onMessage, latest, onGap, onEnd }: Options<D>): StreamStatus {
  const { streams, source } = useSignedIn();
  const id = useId();
  const visible = useVisible();
  const winner = useSyncExternalStore(streams.subscribe, streams.winner);
  const [status, setStatus] = useState<StreamStatus>({ state: "off" });
  useEffect(() => (enabled ? streams.add(id, priority) : undefined), [streams, id, priority, enabled]);

  const read = useEffectEvent((bytes: Uint8Array) => onMessage(fromBinary(schema, bytes)));
  const whatIsLatest = useEffectEvent(() => latest && toBinary(schema, latest()));
  const end = useEffectEvent(onEnd);
  const gap = useEffectEvent(() => onGap?.());
  const start = useEffectEvent(open);
  const active = enabled && visible && winner === id;
  useEffect(() => {
    if (!active) {
      return undefined;
    }
    const stop = new AbortController();
    const { signal } = stop;
    let last: StreamStatus["state"] = "opening";
    const onStatus = (now: StreamStatus, own: boolean) => {
      if (signal.aborted) {
        return;
      }
      if (!own && last === "waiting" && now.state === "open") {
        gap();
      }
      last = now.state === "opening" && last === "waiting" ? last : now.state;
      setStatus(now);
    };
    const run = async () => {
      const session = sessionKey((await source.getToken().catch(() => null)) ?? ""); // a failure is seen again by the call
      await shareStream<StreamStatus>({
        name: session === undefined ? undefined : `ostiary ${session} ${name}`,
        signal,
        onStatus,
        onMessage: (bytes) => signal.aborted || read(bytes),
        latest: () => whatIsLatest(),
        read: ({ status, message }) =>
          withSlot(
            signal,
            () => status({ state: "queued" }),
            async () => {
              const onState = (now: StreamState) =>
                status(now.state === "waiting" ? { state: "waiting", delay: now.delay, what: explain(now.error).what } : now);
              for await (const received of resumable((call) => start(call), { signal, onState })) {
                message(toBinary(schema, received));
              }
            },
          ),
      });
    };
    setStatus({ state: "opening" });
    run().catch((error: unknown) => signal.aborted || end(ConnectError.from(error)));
    return () => {
      stop.abort();
      setStatus({ state: "off" });
    };
  }, [active, name, schema, source]);
  return status;
}

/** What makes two windows' streams bring the same: the session, as whom it acts, and in which organization. Without a session there is none. */
function sessionKey(token: string): string | undefined {
  const { iss, sub, sid, org_id, o, act } = readClaims(token) ?? {};
  return sid === undefined ? undefined : JSON.stringify([iss, sub, sid, org_id, o, act]);
}
