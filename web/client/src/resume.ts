import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { onAbort } from "./abort.js";
import { pause } from "./backoff.js";
import { Tries } from "./tries.js";

/** How a {@link resumable} stream is doing. */
export type StreamState =
  | { state: "opening" }
  /** It has brought its first message. */
  | { state: "open" }
  /** It has failed and is opened again after so many milliseconds. */
  | { state: "waiting"; error: ConnectError; delay: number };

export interface ResumeOptions {
  /** Ends the stream, without an error. Default: nothing does. */
  signal?: AbortSignal | undefined;
  /** Is told whenever the state changes. */
  onState?: ((state: StreamState) => void) | undefined;
}

/**
 * Opens a server stream again when it ends for a reason that passes:
 *
 *     for await (const { identity } of resumable((call) => client.watchIdentity({}, call), { signal })) { … }
 *
 * The reason decides. After TOKEN_EXPIRED and TOKEN_NOT_YET_VALID it goes on at
 * once with a fresh token, unless that was just tried; after a failure of the
 * network, UNAVAILABLE and RESOURCE_EXHAUSTED with back-off, or as soon as the
 * browser is online again. So it does where the answer is cut short, or is none
 * of the API, once the stream has been open: before, the address may be wrong.
 * Any other error is thrown: a session that was revoked stays so, and a source
 * that has no other token than the one that was refused will not have one. A
 * stream that the server ends without an error is at its end.
 *
 * Leaving the loop frees the connection. What was sent while the stream was down
 * is missed; fetch what you must not miss each time `onState` says `open`.
 */
export async function* resumable<T>(
  open: (call: CallOptions) => AsyncIterable<T>,
  { signal, onState = () => {} }: ResumeOptions = {},
): AsyncGenerator<T, void, undefined> {
  // Before connect 2.3 iterators have no return: only a signal ends a call.
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal?.reason));
  const tries = new Tries();
  try {
    while (!stop.signal.aborted) {
      onState({ state: "opening" });
      const contextValues = tries.begin();
      try {
        for await (const message of open({ contextValues, signal: stop.signal })) {
          if (tries.heard()) {
            onState({ state: "open" });
          }
          yield message;
        }
        return;
      } catch (cause) {
        if (signal?.aborted) {
          return;
        }
        const error = ConnectError.from(cause);
        const delay = tries.delayAfter(error);
        onState({ state: "waiting", error, delay });
        await pause(delay, stop.signal);
      }
    }
  } finally {
    forget();
    stop.abort();
  }
}
