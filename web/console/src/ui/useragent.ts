import { showHidden } from "./text";

const names: Record<string, string> = { Edg: "Edge", OPR: "Opera" };

/** What a User-Agent header says in a word or two, as far as it can be told. */
export function browserOf(userAgent: string): string {
  const product = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(userAgent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1];
  return product === undefined ? showHidden(userAgent) || "Unknown device" : `${names[product] ?? product}${system ? ` on ${system}` : ""}`;
}
