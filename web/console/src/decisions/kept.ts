import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Decision, DecisionOutcome, type WatchDecisionsResponse, WatchDecisionsResponseSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";

/** The most decisions that are kept one by one. The counts go on. */
export const most = 2000;

/** For how many minutes decisions are counted. */
export const minutes = 60;

export interface Kept {
  /** When the first message came, in milliseconds; undefined before. */
  since?: number;
  /** Newest first. */
  decisions: readonly Decision[];
  /** How many have come, those included that are no longer kept one by one. */
  received: number;
  /** How many decisions there were in each minute, by what was decided (see kindOf). */
  counts: ReadonlyMap<number, ReadonlyMap<string, number>>;
  /** How many decisions the server has not sent, because they were not read in time. */
  missed: bigint;
}

export const nothingKept: Kept = { decisions: [], received: 0, counts: new Map(), missed: 0n };

/** The reason of a refusal or of the end of a stream, or "admitted". */
export function kindOf({ outcome, reason }: Decision): string {
  return outcome === DecisionOutcome.ADMITTED ? "admitted" : reason || "unknown";
}

export function minuteOf(milliseconds: number): number {
  return Math.floor(milliseconds / 60_000);
}

/** What is kept after a message that comes at a time. */
export function withDecisions(kept: Kept, { decisions, missedCount }: WatchDecisionsResponse, now: number): Kept {
  const since = kept.since ?? now;
  if (decisions.length === 0) {
    return { ...kept, since, missed: kept.missed + missedCount };
  }
  const counts = new Map([...kept.counts].filter(([minute]) => minute > minuteOf(now) - minutes));
  for (const decision of decisions) {
    const minute = minuteOf(timeOf(decision) ?? now);
    const of = new Map(counts.get(minute));
    of.set(kindOf(decision), (of.get(kindOf(decision)) ?? 0) + Number(decision.count));
    counts.set(minute, of);
  }
  return {
    since,
    decisions: [...decisions].reverse().concat(kept.decisions).slice(0, most),
    received: kept.received + decisions.length,
    counts,
    missed: kept.missed + missedCount,
  };
}

/** What is kept of the decisions that a filter lets through, as far as they are kept one by one. */
export function matching(kept: Kept, matches: (decision: Decision) => boolean, now: number): Kept {
  const { decisions, received } = kept;
  const since = received > decisions.length ? timeOf(decisions.at(-1)) : kept.since;
  const decided = decisions.filter(matches).reverse();
  return since === undefined ? nothingKept : withDecisions({ ...nothingKept, since }, create(WatchDecisionsResponseSchema, { decisions: decided }), now);
}

/** When it was decided, in milliseconds. */
function timeOf(decision: Decision | undefined): number | undefined {
  return decision?.decisionTime && timestampMs(decision.decisionTime);
}

/** The counts of each kind, minute by minute up to now: the most frequent kind first. */
export function series({ counts }: Kept, now: number): { kind: string; total: number; perMinute: number[] }[] {
  const first = minuteOf(now) - minutes + 1;
  const all = new Map<string, number[]>();
  for (const [minute, of] of counts) {
    const slot = minute - first;
    if (slot >= 0 && slot < minutes) {
      for (const [kind, count] of of) {
        const perMinute = all.get(kind) ?? new Array<number>(minutes).fill(0);
        perMinute[slot] = (perMinute[slot] ?? 0) + count;
        all.set(kind, perMinute);
      }
    }
  }
  return [...all]
    .map(([kind, perMinute]) => ({ kind, perMinute, total: perMinute.reduce((sum, count) => sum + count, 0) }))
    .sort((a, b) => b.total - a.total || a.kind.localeCompare(b.kind));
}
