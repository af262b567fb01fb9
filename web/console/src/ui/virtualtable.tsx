import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type ReactNode, useEffect, useRef } from "react";
import { useNarrow } from "../api/browser";
import { type List, useNextPage } from "../api/pages";
import ui from "./ui.module.css";
import styles from "./virtualtable.module.css";

/** The heights of a row in pixels, as in virtualtable.module.css. */
const heights = { wide: 36, narrow: 60 };

interface Props {
  label: string;
  /** The names of the columns. An empty one is that of the actions. */
  columns: readonly string[];
  /** What a column has at its top in place of its name. */
  heads?: Partial<Record<string, ReactNode>>;
  /** A class of CSS that gives the columns their widths, in --columns. A column that it hides has none there. */
  className: string | undefined;
  /** What that needs to know of the rows. */
  style?: CSSProperties;
  count: number;
  /** Renders a row as a `tr` with the class `rowClass` and the aria-rowindex index + 2. */
  row: (index: number) => ReactNode;
  /** Where further rows are read from. Default: there are none. */
  list?: List;
}

/** The class of a row. */
export const rowClass = styles.row;

/** A table of which only the rows in view are in the document. On narrow windows each row has two lines. */
export function VirtualTable({ label, columns, heads, className, style, count, row, list }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const size = useNarrow() ? heights.narrow : heights.wide;
  const virtual = useVirtualizer({ count, getScrollElement: () => scroller.current, estimateSize: () => size, overscan: 10 });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are measured anew when their height changes
  useEffect(() => virtual.measure(), [virtual, size]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useNextPage(list, last >= count - 20);
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div className={styles.scroller} ref={scroller}>
      <table className={`${styles.table} ${className}`} style={style} aria-label={label} aria-rowcount={list?.hasNextPage ? -1 : count + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((name) => (
              <th key={name} scope="col" data-column={name}>
                {name === "" || heads?.[name] !== undefined ? <span className={ui.unseen}>{name || "Actions"}</span> : name}
                {heads?.[name]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <tr aria-hidden="true" style={{ height: above }} />}
          {items.map(({ index }) => row(index))}
          {below > 0 && <tr aria-hidden="true" style={{ height: below }} />}
        </tbody>
      </table>
    </div>
  );
}
