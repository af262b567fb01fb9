/** Nothing answers at the address of the server. */
export class Unreachable extends Error {
  override name = "Unreachable";
}

/** Gets a path of the server of this page. It fails with Unreachable where nothing answers; an answer of any status is returned. */
export async function get(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new Unreachable(`${path} cannot be reached`, { cause });
  }
}
