import { type CallOptions, Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { backoff, isPassing, pause } from "./backoff.js";
import { freshToken, isAboutTime } from "./intercept.js";

/** How a {@link resumable} stream is doing. */
export type StreamState =
  | { state: "opening" }
  /** It has brought its first message. */
  | { state: "open" }
  /** It has failed and is opened again after so many milliseconds. */
  | { state: "waiting"; error: ConnectError; delay: number };

export interface ResumeOptions {
  /** Ends the stream, without an error. Default: nothing does. */
  signal?: AbortSignal;
  /** Is told whenever the state changes. */
  onState?: (state: StreamState) => void;
}

/**
 * Opens a server stream again when it ends for a reason that passes:
 *
 *     for await (const { identity } of resumable((call) => client.watchIdentity({}, call), { signal })) { … }
 *
 * The reason decides. After TOKEN_EXPIRED and TOKEN_NOT_YET_VALID it goes on at
 * once with a fresh token; after a failure of the network, UNAVAILABLE and
 * RESOURCE_EXHAUSTED with back-off, or as soon as the browser is online again.
 * Any other error is thrown: a session that was revoked stays so. A stream that
 * the server ends without an error is at its end.
 *
 * What was sent while the stream was down is missed; fetch what you must not
 * miss each time `onState` says `open`.
 */
export async function* resumable<T>(
  open: (call: CallOptions) => AsyncIterable<T>,
  { signal, onState = () => {} }: ResumeOptions = {},
): AsyncGenerator<T, void, undefined> {
  let failures = 0;
  let fresh = false;
  while (!signal?.aborted) {
    onState({ state: "opening" });
    try {
      const call: CallOptions = {
        contextValues: createContextValues().set(freshToken, fresh),
        ...(signal === undefined ? {} : { signal }),
      };
      let opened = false; // a refusal has a header too, so the header says nothing
      for await (const message of open(call)) {
        failures = 0;
        if (!opened) {
          opened = true;
          onState({ state: "open" });
        }
        yield message;
      }
      return;
    } catch (cause) {
      const error = ConnectError.from(cause);
      if (signal?.aborted && error.code === Code.Canceled) {
        return;
      }
      fresh = isAboutTime(error);
      if (!fresh && !isPassing(error)) {
        throw error;
      }
      failures++;
      const delay = fresh && failures === 1 ? 0 : backoff(failures);
      onState({ state: "waiting", error, delay });
      await pause(delay, signal);
    }
  }
}
