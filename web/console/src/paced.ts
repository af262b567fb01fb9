/**
 * Makes of many wishes for the same thing few doings: the first at once, never
 * two at a time, never two within so many milliseconds, and one after the last
 * wish. A doing that fails is done with.
 */
export function paced(work: () => Promise<unknown>, milliseconds: number): () => void {
  let busy = false;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await Promise.allSettled([work(), new Promise((resolve) => setTimeout(resolve, milliseconds))]);
    } while (again);
    busy = false;
  };
  return () => {
    again = true;
    if (!busy) {
      busy = true;
      void run();
    }
  };
}
