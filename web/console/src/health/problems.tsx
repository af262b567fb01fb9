import { type Problem, ProblemSeverity } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import styles from "./health.module.css";

/** What is wrong, the worst first, and what to do about each. */
export function Problems({ problems }: { problems: readonly Problem[] }) {
  const count = problems.length === 0 ? "No problems" : problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return (
    <section className={ui.section} aria-labelledby="problems">
      <h2 id="problems">
        <span aria-live="polite">{count}</span>
      </h2>
      {problems.length > 0 && (
        <ol className={styles.problems}>
          {problems.map((problem) => (
            <Line key={`${problem.problemId} ${problem.subject}`} problem={problem} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Line({ problem: { severity, problemId, subject, what, why, remedy, cause, sinceTime } }: { problem: Problem }) {
  const fault = severity === ProblemSeverity.FAULT;
  return (
    <li className={styles.problem} data-severity={fault ? "fault" : "warning"}>
      <p>
        <Badge tone={fault ? "bad" : "warning"}>{fault ? "fault" : "warning"}</Badge> <strong>{what}</strong> {subject && <Id>{subject}</Id>}
      </p>
      <p>{why}</p>
      <dl className={ui.facts}>
        <Fact name="What to do">{remedy}</Fact>
        {cause && (
          <Fact name="Cause">
            <bdi>{showHidden(cause)}</bdi>
          </Fact>
        )}
        {sinceTime && (
          <Fact name="Since">
            <Moment at={sinceTime} inFull />
          </Fact>
        )}
        <Fact name="Kind">
          <Id>{problemId}</Id>
        </Fact>
      </dl>
    </li>
  );
}
