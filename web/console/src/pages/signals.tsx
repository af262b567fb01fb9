import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@tanstack/react-query";
import { Id, Moment, Words } from "../parts";
import { plain } from "../text";

/** What /readyz says of a source of messages of issuers. */
interface Source {
  source: string;
  issuers: string[];
  last_message?: string;
  last_accepted?: string;
  last_refused?: string;
  last_error?: string;
  lag_seconds?: number;
  accepted: number;
  refused: number;
  failed: number;
}

async function readSources(signal: AbortSignal): Promise<Source[]> {
  const response = await fetch("/readyz", { signal }); // also where it is not ready
  const { signals = [] } = (await response.json()) as { signals?: Source[] };
  return signals;
}

/** What issuers say has ended, where the server receives that. */
export function Signals() {
  const { data = [] } = useQuery({ queryKey: ["signals"], queryFn: ({ signal }) => readSources(signal), refetchInterval: 10_000 });
  if (data.length === 0) {
    return null;
  }
  return (
    <section aria-labelledby="signals">
      <h2 id="signals">What issuers say</h2>
      <p className="quiet">Messages that end sessions here, since this server was started.</p>
      <table>
        <thead>
          <tr><th scope="col">Source</th><th scope="col">Issuer</th><th scope="col">Last message</th><th scope="col">Accepted</th><th scope="col">Refused</th></tr>
        </thead>
        <tbody>
          {data.map((source) => <Line key={source.source} source={source} />)}
        </tbody>
      </table>
    </section>
  );
}

function Line({ source }: { source: Source }) {
  const { issuers, last_message, last_accepted, last_refused, last_error = "", lag_seconds, accepted, refused, failed } = source;
  return (
    <tr>
      <th scope="row"><Id>{source.source}</Id></th>
      <td><Words of={issuers} /></td>
      <td>{last_message ? <At time={last_message} /> : "none"}</td>
      <td>
        {accepted}{last_accepted && <>, last <At time={last_accepted} /></>}
        {lag_seconds !== undefined && <p className="quiet">{lag_seconds.toFixed(1)} s after it had happened</p>}
      </td>
      <td>
        {refused + failed}{last_refused && <>, last <At time={last_refused} /></>}
        {last_error && <p className="quiet">{plain(last_error)}</p>}
      </td>
    </tr>
  );
}

function At({ time }: { time: string }) {
  return <Moment at={timestampFromDate(new Date(time))} />;
}
