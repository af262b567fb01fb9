const encoder = new TextEncoder();

/** Compares two texts by their bytes in UTF-8, as the server orders them: above 0 where the first is behind the second. */
export function compareTexts(a: string, b: string): number {
  if (a === b) {
    return 0;
  }
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  const at = x.findIndex((byte, i) => byte !== y[i]);
  return at < 0 ? x.length - y.length : x[at]! - (y[at] ?? -1);
}
