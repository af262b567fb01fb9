import { useNow } from "../api/clock";
import ui from "../ui/ui.module.css";
import styles from "./decisions.module.css";
import { countedSince, type Kept, minuteOf, minutes, series } from "./kept";
import { Since } from "./reach";

/** How many kinds of decisions are shown. */
const rows = 6;

/** How many decisions there were in the last hour, by reason and minute. */
export function Counts({ kept, onReason }: { kept: Kept; onReason: (kind: string) => void }) {
  const minute = minuteOf(useNow());
  const all = series(kept, minute * 60_000);
  const since = countedSince(kept);
  if (all.length === 0) {
    return null;
  }
  return (
    <section className={ui.section} aria-labelledby="counts">
      <h2 id="counts" className={styles.title}>
        Last hour{" "}
        {since !== undefined && minute - minuteOf(since) < minutes - 1 && (
          <span className={ui.quiet}>
            <Since at={since} />
          </span>
        )}
      </h2>
      <ul className={styles.counts}>
        {all.slice(0, rows).map(({ kind, total, perMinute }) => (
          <li key={kind} data-kind={kind === "admitted" ? "good" : "bad"}>
            <button type="button" onClick={() => onReason(kind)} title={`Show only ${kind}`}>
              {kind}
            </button>
            <strong>{total}</strong>
            <Bars perMinute={perMinute} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One bar for each minute. The number beside it says the same for people who do not see it. */
function Bars({ perMinute }: { perMinute: number[] }) {
  const highest = Math.max(...perMinute, 1);
  return (
    <svg viewBox={`0 0 ${minutes * 2} 20`} preserveAspectRatio="none" aria-hidden="true">
      {perMinute.map((count, i) => {
        const height = count === 0 ? 0 : Math.max(2, (20 * count) / highest);
        return <rect key={i} x={2 * i} y={20 - height} width={1.6} height={height} />;
      })}
    </svg>
  );
}
