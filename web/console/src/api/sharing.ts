/** What the windows that share a stream send each other. */
type Post<S> = { type: "ask" } | { type: "status"; status: S } | { type: "message"; message: Uint8Array<ArrayBuffer> };

interface Shared<S> {
  /** Names what the stream brings. Windows with the same name share it; undefined: it is not shared. */
  name: string | undefined;
  signal: AbortSignal;
  /** Reads the stream until it ends. */
  read: (emit: { status: (status: S) => void; message: (message: Uint8Array<ArrayBuffer>) => void }) => Promise<void>;
  /** Is called with own = false where another window reads the stream. */
  onStatus: (status: S, own: boolean) => void;
  onMessage: (message: Uint8Array<ArrayBuffer>) => void;
  /** What windows get that join the others, in place of the last message; undefined: nothing takes its place. */
  latest: () => Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Reads a stream once for all windows that want the same. One of them holds a
 * lock, reads, and sends what comes to the others. When it goes, the next takes
 * over. Pages that come over plain HTTP from another machine have no locks: there
 * each window reads for itself.
 */
export async function shareStream<S>({ name, signal, read, onStatus, onMessage, latest }: Shared<S>): Promise<void> {
  if (name === undefined || !("locks" in navigator)) {
    return read({ status: (status) => onStatus(status, true), message: onMessage });
  }
  const channel = new BroadcastChannel(name);
  const post = (message: Post<S>) => channel.postMessage(message);
  const last: { status?: S; message?: Uint8Array<ArrayBuffer> } = {};
  let leading = false;
  channel.onmessage = ({ data }: MessageEvent<Post<S>>) => {
    if (leading) {
      if (data.type === "ask") {
        if (last.status !== undefined) {
          post({ type: "status", status: last.status });
        }
        if (last.message !== undefined) {
          post({ type: "message", message: latest() ?? last.message });
        }
      }
    } else if (data.type === "status") {
      onStatus(data.status, false);
    } else if (data.type === "message") {
      onMessage(data.message);
    }
  };
  try {
    post({ type: "ask" });
    await navigator.locks.request(name, { signal }, () => {
      leading = true;
      return read({
        status: (status) => {
          last.status = status;
          onStatus(status, true);
          signal.aborted || post({ type: "status", status });
        },
        message: (message) => {
          last.message = message;
          onMessage(message);
          signal.aborted || post({ type: "message", message });
        },
      });
    });
  } finally {
    channel.close();
  }
}
