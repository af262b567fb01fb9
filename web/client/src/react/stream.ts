"use client";
import { create, type DescMessage, type DescMethodServerStreaming, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { ConnectError, Transport } from "@connectrpc/connect";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { useLatest } from "./latest.js";
import { type Listener, LiveStream, type LiveState } from "./live.js";
import { useTransport } from "./provider.js";

export interface StreamOptions<I extends DescMessage, O extends DescMessage> {
  /** Is called with each message, such as to put it into a cache. What it throws ends the stream. Default: messages are only returned. */
  onMessage?: ((message: MessageShape<O>) => void) | undefined;
  /**
   * Returns the request that the stream is opened again with after its last message,
   * where messages have a position: `({ resumeToken }) => ({ resumeToken })`. Default:
   * the same request, and what was sent while the stream was down is missed.
   */
  resume?: ((last: MessageShape<O>) => MessageInitShape<I> | undefined) | undefined;
  /** Whether the stream is to be open. Default: true. */
  enabled?: boolean | undefined;
  /** Default: the transport of the {@link ApiProvider}. */
  transport?: Transport | undefined;
}

export interface StreamResult<O extends DescMessage> {
  /** The last message; undefined before the first. */
  message: MessageShape<O> | undefined;
  /**
   * How the stream is doing: `opening`; `open`, once it has brought a message; `waiting`,
   * until it is opened again after an error that passes; `ended` by the server; `failed`, with an
   * error that opening it again does not help against; `disabled`.
   */
  state: LiveState["state"] | "disabled";
  /** Why it is waiting, or has failed; undefined otherwise. */
  error: ConnectError | undefined;
  /** Opens the stream anew, such as after it has failed. */
  restart: () => void;
}

/**
 * Reads a server stream while the component is mounted, and opens it again as
 * {@link resumable} does. Its lease is renewed while it is open.
 *
 *     const { message, state, error } = useStream(InvoiceService.method.watchInvoices, { customer });
 *
 * Another request opens another stream; requests are compared by value.
 */
export function useStream<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  input: MessageInitShape<I>,
  { onMessage, resume, enabled = true, transport: own }: StreamOptions<I, O> = {},
): StreamResult<O> {
  const transport = useTransport(own);
  const latest = useLatest({ onMessage, resume });
  const key = String(toBinary(method.input, create(method.input, input)));
  const stream = useMemo(
    () => new LiveStream(transport, method, input, { resume: (last) => latest.current.resume?.(last) }),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the input
    [transport, method, key, latest],
  );
  return useLive(stream, enabled, useCallback((message) => latest.current.onMessage?.(message), [latest]));
}

/** Listens to a stream while the component is mounted. */
export function useLive<I extends DescMessage, O extends DescMessage>(stream: LiveStream<I, O>, enabled = true, onMessage?: Listener<O>["message"]): StreamResult<O> {
  const subscribe = useCallback(
    (changed: () => void) => (enabled ? stream.listen({ changed, ...(onMessage && { message: onMessage }) }) : () => {}),
    [stream, enabled, onMessage],
  );
  const { message, status } = useSyncExternalStore(subscribe, stream.snapshot, LiveStream.initially);
  return {
    message,
    state: enabled ? status.state : "disabled",
    error: enabled && "error" in status ? status.error : undefined,
    restart: stream.restart,
  };
}
