/** Calls a function when the signal is aborted, or at once where it is. Returns what makes it forget the function. */
export function onAbort(signal: AbortSignal | undefined, call: () => void): () => void {
  signal?.addEventListener("abort", call);
  if (signal?.aborted) {
    call();
  }
  return () => signal?.removeEventListener("abort", call);
}

/** Waits for a promise, but no longer than until the signal is aborted: it rejects with the signal's reason then. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    void promise.then(resolve, reject).finally(forget);
  });
}
