import { useRef, useState } from "react";
import type { Row } from "./changes";
import { canEnd } from "./lines";

/** Which sessions are selected, to be ended together. */
export interface Selection {
  /** Those of the rows that are selected and can be ended. What a filter hides does not count. */
  rows: Row[];
  has: (row: Row) => boolean;
  set: (rows: readonly Row[], on: boolean) => void;
  /** Selects a row, and with the Shift key all from the row that was clicked before. */
  toggle: (row: Row, on: boolean, shift: boolean) => void;
  clear: () => void;
}

/** Keeps the selection among the rows, which are given in the order in which they are shown. */
export function useSelection(rows: readonly Row[]): Selection {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const anchor = useRef<string>(undefined);
  const set = (changed: readonly Row[], on: boolean) => setKeys((before) => withKeys(before, changed, on));
  return {
    rows: rows.filter((row) => keys.has(row.key) && canEnd(row)),
    has: (row) => keys.has(row.key) && canEnd(row),
    set,
    toggle: (row, on, shift) => {
      set(shift ? between(rows, anchor.current, row.key) : [row], on);
      anchor.current = row.key;
    },
    clear: () => setKeys(new Set()),
  };
}

function withKeys(before: ReadonlySet<string>, changed: readonly Row[], on: boolean): ReadonlySet<string> {
  const keys = new Set(before);
  for (const row of changed) {
    if (on && canEnd(row)) {
      keys.add(row.key);
    } else {
      keys.delete(row.key);
    }
  }
  return keys;
}

/** The rows from one to another, both included; only the latter where the former is not shown. */
export function between(rows: readonly Row[], from: string | undefined, to: string): Row[] {
  const end = rows.findIndex(({ key }) => key === to);
  const start = rows.findIndex(({ key }) => key === from);
  return start < 0 ? rows.slice(end, end + 1) : rows.slice(Math.min(start, end), Math.max(start, end) + 1);
}
