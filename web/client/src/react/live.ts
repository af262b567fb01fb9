import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { resumable, type StreamState } from "../resume.js";

/** How a stream is doing: as {@link StreamState}, or over. */
export type LiveState =
  | StreamState
  /** The server has ended it without an error. */
  | { state: "ended" }
  /** It has ended with an error that opening it again does not help against. */
  | { state: "failed"; error: ConnectError };

/** What is known of a stream at a time. */
export interface Snapshot<O extends DescMessage> {
  message: MessageShape<O> | undefined;
  status: LiveState;
}

export interface Listener<O extends DescMessage> {
  changed(): void;
  message?(message: MessageShape<O>): void;
}

interface LiveOptions<I extends DescMessage, O extends DescMessage> {
  /** Returns the request that the stream is opened again with, after its last message. Default: the first one. */
  resume?: (last: MessageShape<O>) => MessageInitShape<I> | undefined;
  /** Tells whether a message is to be kept as the last one, and not a mere heartbeat. Default: it is. */
  keep?: (message: MessageShape<O>) => boolean;
}

type Open<I extends DescMessage, O extends DescMessage> = (input: MessageInitShape<I>, call: CallOptions) => AsyncIterable<MessageShape<O>>;

const opening = { message: undefined, status: { state: "opening" } } as const;
const open = { state: "open" } as const;

/** A server stream that is open, and opened again, while somebody listens. */
export class LiveStream<I extends DescMessage, O extends DescMessage> {
  readonly #open: Open<I, O>;
  readonly #input: MessageInitShape<I>;
  readonly #options: LiveOptions<I, O>;
  readonly #listeners = new Set<Listener<O>>();
  #snapshot: Snapshot<O> = opening;
  #stop: AbortController | undefined;

  constructor(transport: Transport, method: DescMethodServerStreaming<I, O>, input: MessageInitShape<I>, options: LiveOptions<I, O> = {}) {
    const client: Record<string, unknown> = createClient(method.parent, transport);
    this.#open = client[method.localName] as Open<I, O>;
    this.#input = input;
    this.#options = options;
  }

  /** What is known before the stream is opened, as on a server that makes pages. */
  static readonly initially = () => opening;

  readonly snapshot = (): Snapshot<O> => this.#snapshot;

  /** Opens the stream if it is not, until the function that is returned is called by all who listen. */
  listen(listener: Listener<O>): () => void {
    this.#listeners.add(listener);
    if (this.#stop === undefined) {
      this.restart();
    }
    return () => {
      this.#listeners.delete(listener);
      // Strict mode, and a page that changes, listen again at once: that is no reason to open it again.
      setTimeout(() => {
        if (this.#listeners.size === 0) {
          this.#close();
          this.#snapshot = opening; // which is what a component finds that is shown later
        }
      });
    };
  }

  /** Opens the stream anew, from its beginning. */
  readonly restart = (): void => {
    this.#close();
    if (this.#listeners.size > 0) {
      this.#stop = new AbortController();
      void this.#run(this.#stop.signal);
    }
  };

  #close(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const set = (change: Partial<Snapshot<O>>) => {
      if (!signal.aborted) {
        this.#snapshot = { ...this.#snapshot, ...change };
        this.#listeners.forEach((listener) => listener.changed());
      }
    };
    set(opening);
    let input = this.#input;
    try {
      // That it is open is shown with its first message.
      const onState = (status: StreamState) => status.state !== "open" && set({ status });
      for await (const message of resumable((call) => this.#open(input, call), { signal, onState })) {
        if (signal.aborted) {
          return;
        }
        input = this.#options.resume?.(message) ?? input;
        if (this.#options.keep?.(message) ?? true) {
          set({ message, status: open });
        } else if (this.#snapshot.status !== open) {
          set({ status: open });
        }
        this.#listeners.forEach((listener) => listener.message?.(message));
      }
      set({ status: { state: "ended" } });
    } catch (error) {
      set({ status: { state: "failed", error: ConnectError.from(error) } });
    }
  }
}
