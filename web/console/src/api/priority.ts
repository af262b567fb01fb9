/**
 * The streams that a window wants to have open. Only the one with the highest
 * priority is: over HTTP/1.1 all windows of a browser share six connections to a
 * server, and each open stream takes one.
 */
export class StreamPriority {
  #wanted: { id: string; priority: number }[] = [];
  readonly #listeners = new Set<() => void>();

  /** Asks for a stream. Of equal priorities the latest wins. The returned function gives it up. */
  add(id: string, priority: number): () => void {
    const entry = { id, priority };
    this.#wanted.push(entry);
    this.#notify();
    return () => {
      this.#wanted = this.#wanted.filter((other) => other !== entry);
      this.#notify();
    };
  }

  /** The stream that may be open; undefined where none is wanted. */
  readonly winner = (): string | undefined => {
    let best: { id: string; priority: number } | undefined;
    for (const entry of this.#wanted) {
      if (best === undefined || entry.priority >= best.priority) {
        best = entry;
      }
    }
    return best?.id;
  };

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  #notify(): void {
    this.#listeners.forEach((listener) => listener());
  }
}
