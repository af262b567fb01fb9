import { useEffect, useRef } from "react";
import type { Row } from "./changes";
import { canEnd } from "./lines";
import type { Selection } from "./selection";

/** Selects several sessions at once: all that can be ended, or none. */
export function SelectBox({ label, rows, selection }: { label: string; rows: readonly Row[]; selection: Selection }) {
  const box = useRef<HTMLInputElement>(null);
  const endable = rows.filter(canEnd);
  const selected = endable.filter(selection.has).length;
  const all = selected > 0 && selected === endable.length;
  useEffect(() => {
    if (box.current !== null) {
      box.current.indeterminate = selected > 0 && !all; // there is no attribute for it
    }
  }, [selected, all]);
  return (
    <label>
      <input
        ref={box}
        type="checkbox"
        aria-label={label}
        checked={all}
        disabled={endable.length === 0}
        onChange={(event) => selection.set(endable, event.target.checked)}
      />
    </label>
  );
}
