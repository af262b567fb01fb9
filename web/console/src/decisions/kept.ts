import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Decision,
  type DecisionCount,
  DecisionCountSchema,
  DecisionOutcome,
  type RecentDecisions,
  type WatchDecisionsResponse,
  WatchDecisionsResponseSchema,
} from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { toFragment } from "./link";

/** The most decisions that are kept one by one. The counts go on. */
export const most = 2000;

/** For how many minutes decisions are counted. */
export const minutes = 60;

/** How many decisions there were in each minute, by what was decided (see kindOf). */
type Counts = ReadonlyMap<number, ReadonlyMap<string, number>>;

/** What has come of the decisions that a filter lets through. Times are in milliseconds. */
export interface Kept {
  /** When the last message came; undefined before the first. */
  until?: number | undefined;
  /** Since when all refusals and ends of streams are among the decisions; undefined where the filter asks for none. */
  refusedSince?: number | undefined;
  /** The same of calls that were admitted. */
  admittedSince?: number | undefined;
  /** Since when the server has counted all; undefined where it does not count what the filter asks for. */
  countedSince?: number | undefined;
  /** Newest first. */
  decisions: readonly Decision[];
  /** How many have come, those included that are no longer kept one by one. */
  received: number;
  counts: Counts;
  /** How many decisions the server has not sent, because they were not read in time. */
  missed: bigint;
}

export const nothingKept: Kept = { decisions: [], received: 0, counts: new Map(), missed: 0n };

/** The reason of a refusal or of the end of a stream, or "admitted". */
export function kindOf({ outcome, reason }: Pick<Decision, "outcome" | "reason">): string {
  return outcome === DecisionOutcome.ADMITTED ? "admitted" : reason || "unknown";
}

export function minuteOf(milliseconds: number): number {
  return Math.floor(milliseconds / 60_000);
}

/** What is kept after a message that comes at a time. */
export function withMessage(before: Kept, { recent, decisions, missedCount }: WatchDecisionsResponse, now: number): Kept {
  const kept = recent === undefined ? before : withRecent(before, recent, now);
  return { ...withDecisions(kept, decisions), until: now, counts: counted(kept.counts, decisions, now), missed: kept.missed + missedCount };
}

/** What is kept after the first message of a stream: of its decisions some may be there already, from a stream before. */
function withRecent(kept: Kept, recent: RecentDecisions, now: number): Kept {
  const keyOf = (decision: Decision) => decision.decisionId || toFragment(decision);
  const known = new Set(kept.decisions.map(keyOf));
  const fresh = recent.decisions.filter((decision) => !known.has(keyOf(decision)));
  const goesOn = fresh.length < recent.decisions.length; // of the same server: another one has decisions of its own
  const since = (before: number | undefined, at: number | undefined) =>
    goesOn && at !== undefined && before !== undefined && kept.until !== undefined && kept.until >= at ? Math.min(before, at) : at;
  return withDecisions(
    {
      ...kept,
      refusedSince: since(kept.refusedSince, ms(recent.refusedSinceTime)),
      admittedSince: since(kept.admittedSince, ms(recent.admittedSinceTime)),
      countedSince: ms(recent.countedSinceTime),
      counts: recent.countedSinceTime === undefined ? counted(kept.counts, fresh, now) : fromMessages(recent.counts),
    },
    fresh,
  );
}

/** What is kept with further decisions, without counting them. */
function withDecisions(kept: Kept, decisions: readonly Decision[]): Kept {
  if (decisions.length === 0) {
    return kept;
  }
  const all = [...decisions].reverse().concat(kept.decisions);
  const shown = all.slice(0, most);
  const oldest = all.length > most ? (ms(shown.at(-1)?.decisionTime) ?? 0) : 0;
  const since = (before: number | undefined) => before && Math.max(before, oldest);
  return {
    ...kept,
    refusedSince: since(kept.refusedSince),
    admittedSince: since(kept.admittedSince),
    decisions: shown,
    received: kept.received + decisions.length,
  };
}

function counted(before: Counts, decisions: readonly Decision[], now: number): Counts {
  if (decisions.length === 0) {
    return before;
  }
  const counts = new Map([...before].filter(([minute]) => minute > minuteOf(now) - minutes));
  for (const decision of decisions) {
    add(counts, minuteOf(ms(decision.decisionTime) ?? now), kindOf(decision), Number(decision.count));
  }
  return counts;
}

/** Adds to the counts, of which no map that was there is changed. */
function add(counts: Map<number, ReadonlyMap<string, number>>, minute: number, kind: string, count: number): void {
  const of = counts.get(minute);
  counts.set(minute, new Map(of).set(kind, (of?.get(kind) ?? 0) + count));
}

function fromMessages(messages: readonly DecisionCount[]): Counts {
  const counts = new Map<number, ReadonlyMap<string, number>>();
  for (const message of messages) {
    for (const { startTime, count } of message.minutes) {
      add(counts, minuteOf(ms(startTime) ?? 0), kindOf(message), Number(count));
    }
  }
  return counts;
}

/** Since when all are counted that the filter lets through. */
export function countedSince({ countedSince, refusedSince, admittedSince }: Kept): number | undefined {
  return countedSince ?? (refusedSince === undefined ? admittedSince : Math.max(refusedSince, admittedSince ?? 0));
}

/** All that is kept, as the first message of a stream has it: for a window that joins others. */
export function toMessage({ decisions, counts, ...kept }: Kept): WatchDecisionsResponse {
  const byKind = new Map<string, DecisionCount>();
  for (const [minute, of] of counts) {
    for (const [kind, count] of of) {
      const admitted = kind === "admitted";
      const outcome = admitted ? DecisionOutcome.ADMITTED : DecisionOutcome.REFUSED;
      const message = byKind.get(kind) ?? create(DecisionCountSchema, { outcome, reason: admitted ? "" : kind });
      byKind.set(kind, message);
      message.minutes.push({ $typeName: "ostiary.decision.v1.MinuteCount", startTime: timestampFromMs(minute * 60_000), count: BigInt(count) });
    }
  }
  return create(WatchDecisionsResponseSchema, {
    recent: {
      decisions: [...decisions].reverse(),
      ...(kept.refusedSince === undefined ? {} : { refusedSinceTime: timestampFromMs(kept.refusedSince) }),
      ...(kept.admittedSince === undefined ? {} : { admittedSinceTime: timestampFromMs(kept.admittedSince) }),
      ...(kept.countedSince === undefined ? {} : { countedSinceTime: timestampFromMs(kept.countedSince), counts: [...byKind.values()] }),
    },
  });
}

function ms(time: Timestamp | undefined): number | undefined {
  return time && timestampMs(time);
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
