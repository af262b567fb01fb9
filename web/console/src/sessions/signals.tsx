import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@tanstack/react-query";
import * as v from "valibot";
import { get } from "../api/get";
import { Moment } from "../ui/moment";
import { Id, Words } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";

/** What /readyz says of a source of messages of issuers. */
const source = v.object({
  source: v.string(),
  issuers: v.array(v.string()),
  last_message: v.optional(v.string()),
  last_accepted: v.optional(v.string()),
  last_refused: v.optional(v.string()),
  last_error: v.optional(v.string()),
  lag_seconds: v.optional(v.number()),
  accepted: v.number(),
  refused: v.number(),
  failed: v.number(),
});
const readiness = v.object({ signals: v.optional(v.array(source), []) });
type Source = v.InferOutput<typeof source>;

async function readSources(signal: AbortSignal): Promise<Source[]> {
  const response = await get("/readyz", { signal }); // also where it is not ready
  return v.parse(readiness, await response.json()).signals;
}

/** What issuers say has ended, where the server receives that. */
export function Signals() {
  const { data = [] } = useQuery({ queryKey: ["signals"], queryFn: ({ signal }) => readSources(signal), refetchInterval: 10_000 });
  if (data.length === 0) {
    return null;
  }
  return (
    <section className={ui.section} aria-labelledby="signals">
      <h2 id="signals">What issuers say</h2>
      <p className={ui.quiet}>Messages that end sessions here, since this server was started.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">Issuer</th>
            <th scope="col">Last message</th>
            <th scope="col">Accepted</th>
            <th scope="col">Refused</th>
          </tr>
        </thead>
        <tbody>
          {data.map((source) => (
            <Line key={source.source} source={source} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ source }: { source: Source }) {
  const { issuers, last_message, last_accepted, last_refused, last_error = "", lag_seconds, accepted, refused, failed } = source;
  return (
    <tr>
      <th scope="row">
        <Id>{source.source}</Id>
      </th>
      <td>
        <Words of={issuers} />
      </td>
      <td>{last_message ? <At time={last_message} /> : "none"}</td>
      <td>
        {accepted}
        {last_accepted && (
          <>
            , last <At time={last_accepted} />
          </>
        )}
        {lag_seconds !== undefined && <p className={ui.quiet}>{lag_seconds.toFixed(1)} s after it had happened</p>}
      </td>
      <td>
        {refused + failed}
        {last_refused && (
          <>
            , last <At time={last_refused} />
          </>
        )}
        {last_error && <p className={ui.quiet}>{showHidden(last_error)}</p>}
      </td>
    </tr>
  );
}

function At({ time }: { time: string }) {
  return <Moment at={timestampFromDate(new Date(time))} />;
}
