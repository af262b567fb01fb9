import type { Revocation } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { List } from "../api/pages";
import { Moment } from "../ui/moment";
import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import { rowClass, VirtualTable } from "../ui/virtualtable";
import { originOf } from "./origin";
import styles from "./revocations.module.css";
import { labelOf, nameOf } from "./target";

const columns = ["Revoked", "Kind", "Name", "By", "Cause", "Until"] as const;

interface Props {
  revocations: readonly Revocation[];
  /** The id of the one whose details are shown. */
  open: string | undefined;
  onOpen: (id: string) => void;
  /** Where they are read from. */
  list: List;
}

/** The table of revocations. */
export function RevocationTable({ revocations, open, onOpen, list }: Props) {
  const line = (index: number) => {
    const revocation = revocations[index];
    return revocation && <Line key={revocation.revocationId} revocation={revocation} index={index} open={revocation.revocationId === open} onOpen={onOpen} />;
  };
  return <VirtualTable label="Revocations" columns={columns} className={styles.table} count={revocations.length} row={line} list={list} />;
}

function Line({ revocation, index, open, onOpen }: { revocation: Revocation; index: number; open: boolean; onOpen: Props["onOpen"] }) {
  const { revocationId, target, createTime, expireTime, origin, cause } = revocation;
  const { kind, name, issuer } = nameOf(target);
  const shown = showHidden(name || issuer) || "–";
  const label = labelOf(kind);
  return (
    // The button in the row does the same for the keyboard.
    <tr
      className={rowClass}
      aria-rowindex={index + 2}
      data-selected={open || undefined}
      onClick={(event) => (event.target as Element).closest("button") === null && onOpen(revocationId)}
    >
      <td data-column="Revoked">
        <Moment at={createTime} short />
      </td>
      <td data-column="Kind">
        <Badge tone={kind === "issuer" ? "bad" : "quiet"}>{label}</Badge>
      </td>
      <td data-column="Name">
        <button
          type="button"
          className={styles.open}
          id={rowId(revocationId)}
          aria-expanded={open}
          title={shown}
          aria-label={`Details of ${label} ${shown}`}
          onClick={() => onOpen(revocationId)}
        >
          <bdi>{shown}</bdi>
        </button>
      </td>
      <td data-column="By">{originOf(origin) ?? "–"}</td>
      <td data-column="Cause" title={showHidden(cause)}>
        <bdi>{showHidden(cause)}</bdi>
      </td>
      <td data-column="Until">
        <Moment at={expireTime} short />
      </td>
    </tr>
  );
}

/** The id of what opens the details of a revocation, for the focus to return to. */
export function rowId(revocationId: string): string {
  return `revocation ${revocationId}`;
}
