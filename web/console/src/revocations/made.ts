import type { Revocation } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { WatchRevocationsResponse } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";

/** How many new revocations are kept: an import can make very many. */
export const most = 1000;

/** What the stream has brought since the list was read. */
export interface Made {
  /** Where the stream begins, or goes on after a break; undefined before the list was read. */
  position?: string;
  /** By their ids, in the order in which they were made. */
  revocations: ReadonlyMap<string, Revocation>;
  /** How many more there were than are kept: the list has to be read again to show them. */
  leftOut: number;
}

export const nothingMade: Made = { revocations: new Map(), leftOut: 0 };

/** What was made, after a message of the stream. */
export function withMessage(made: Made, { revocations, resumeToken }: WatchRevocationsResponse): Made {
  if (revocations.length === 0) {
    return { ...made, position: resumeToken }; // a heartbeat
  }
  const all = new Map(made.revocations);
  for (const revocation of revocations) {
    if (all.size < most) {
      all.set(revocation.revocationId, revocation);
    }
  }
  const leftOut = revocations.filter(({ revocationId }) => !all.has(revocationId)).length;
  return { position: resumeToken, revocations: all, leftOut: made.leftOut + leftOut };
}

/** What was made that a list may lack: since it was requested. It was read at a position. */
export function madeSince(before: Made, now: Made, position: string): Made {
  return {
    position: now.position === undefined || now.position === before.position ? position : now.position,
    revocations: new Map([...now.revocations].filter(([id]) => !before.revocations.has(id))),
    leftOut: Math.max(0, now.leftOut - before.leftOut),
  };
}

/**
 * The rows of the table, and the new ones that are not shown yet. Rows that are shown keep their
 * places: the pages as they were read, and before them the new ones that the user has asked for.
 */
export function rowsOf(listed: readonly Revocation[], { revocations }: Made, shown: ReadonlySet<string>): { rows: Revocation[]; fresh: Revocation[] } {
  const known = new Set(listed.map(({ revocationId }) => revocationId));
  const others = [...revocations.values()].filter(({ revocationId }) => !known.has(revocationId)).reverse();
  const asked = others.filter(({ revocationId }) => shown.has(revocationId));
  return { rows: [...asked, ...listed], fresh: others.filter(({ revocationId }) => !shown.has(revocationId)) };
}
