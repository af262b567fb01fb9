import { type Decision, DecisionOutcome } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { Moment } from "../ui/moment";
import { Badge, type Tone } from "../ui/names";
import { Shortened } from "../ui/shortened";
import { showHidden } from "../ui/text";
import { rowClass, VirtualTable } from "../ui/virtualtable";
import styles from "./decisions.module.css";
import type { Kept } from "./kept";
import { toFragment } from "./link";

const outcomes: Record<DecisionOutcome, { name: string; tone: Tone }> = {
  [DecisionOutcome.UNSPECIFIED]: { name: "unknown", tone: "quiet" },
  [DecisionOutcome.ADMITTED]: { name: "admitted", tone: "good" },
  [DecisionOutcome.REFUSED]: { name: "refused", tone: "bad" },
  [DecisionOutcome.ENDED]: { name: "ended", tone: "warning" },
};

/** What was decided, in a word. An outcome of a later version of the server is unknown. */
export function outcomeOf({ outcome }: Decision): { name: string; tone: Tone } {
  return outcomes[outcome] ?? outcomes[DecisionOutcome.UNSPECIFIED];
}

/** The name of a method without its service. */
export function methodOf(procedure: string): string {
  return procedure.slice(procedure.lastIndexOf("/") + 1);
}

const columns = ["Time", "Outcome", "Method", "Subject", "Reason", "Service"] as const;

interface Props {
  kept: Kept;
  /** The decision that is selected, as toFragment writes it. */
  selected: string;
  onSelect: (decision: Decision) => void;
}

/** The table of decisions. */
export function DecisionTable({ kept: { decisions, received }, selected, onSelect }: Props) {
  const line = (index: number) => {
    const decision = decisions[index];
    return (
      decision && (
        <Line
          key={received - index} // it keeps its number when others come
          decision={decision}
          index={index}
          selected={selected !== "" && toFragment(decision) === selected}
          onSelect={onSelect}
        />
      )
    );
  };
  return <VirtualTable label="Decisions" columns={columns} className={styles.table} count={decisions.length} row={line} />;
}

function Line({ decision, index, selected, onSelect }: { decision: Decision; index: number; selected: boolean; onSelect: Props["onSelect"] }) {
  const { name, tone } = outcomeOf(decision);
  const { procedure, subject, reason, service, count, decisionTime } = decision;
  return (
    // The button in the row does the same for the keyboard.
    <tr className={rowClass} aria-rowindex={index + 2} data-selected={selected || undefined} onClick={() => onSelect(decision)}>
      <td data-column="Time">
        <Moment at={decisionTime} short />
      </td>
      <td data-column="Outcome">
        <Badge tone={tone}>{name}</Badge>
        {count > 1n && <span className={styles.times}> ×{String(count)}</span>}
      </td>
      <td data-column="Method" title={showHidden(procedure)}>
        <button type="button" className={styles.open} aria-expanded={selected} onClick={() => onSelect(decision)}>
          <code>{showHidden(methodOf(procedure))}</code>
        </button>
      </td>
      <td data-column="Subject" title={showHidden(subject)} aria-label={showHidden(subject) || undefined}>
        <Shortened>{showHidden(subject)}</Shortened>
      </td>
      <td data-column="Reason">
        <code>{showHidden(reason)}</code>
      </td>
      <td data-column="Service" title={showHidden(service)}>
        {showHidden(service) || "this server"}
      </td>
    </tr>
  );
}
