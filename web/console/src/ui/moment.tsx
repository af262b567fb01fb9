import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { useNow } from "../api/clock";
import ui from "./ui.module.css";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const narrow = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });
const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

interface Props {
  at: Timestamp | undefined;
  /** Also shows the exact time in the user's zone, which is otherwise shown on hover. */
  inFull?: boolean;
  /** Is for tables: "5m ago". */
  short?: boolean;
}

/** A time, as seen from now; a dash for none, and for one that no calendar has. What has just happened is not in the future, though the clock is read each second alone. */
export function Moment({ at, inFull = false, short = false }: Props) {
  const now = useNow();
  const date = at && timestampDate(at);
  if (date === undefined || Number.isNaN(date.getTime())) {
    return <>–</>;
  }
  const ahead = (date.getTime() - now) / 1000;
  const seconds = ahead > 0 && ahead < 2 ? 0 : Math.round(ahead);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return (
    <time dateTime={date.toISOString()} title={exact.format(date)}>
      {(short ? narrow : relative).format(Math.round(seconds / size), unit)}
      {inFull && <span className={ui.quiet}>, {exact.format(date)}</span>}
    </time>
  );
}
