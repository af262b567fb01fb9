/**
 * Does work for each item, for so many at a time. It begins nothing new after the
 * first failure, waits for what has begun, and fails then.
 */
export async function each<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++] as T;
      await work(item).catch((error: unknown) => (failure ??= { error }));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failure !== undefined) {
    throw failure.error;
  }
}
