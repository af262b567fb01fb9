import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** Compares two times: above 0 where the first is later. One that is absent is before all. */
export function compareTimes(a: Timestamp | undefined, b: Timestamp | undefined): number {
  return Number((a?.seconds ?? 0n) - (b?.seconds ?? 0n)) || (a?.nanos ?? 0) - (b?.nanos ?? 0);
}
