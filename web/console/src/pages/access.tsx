import { useQuery } from "@connectrpc/connect-query";
import { type Check, type Explanation, type MethodRule, Outcome, PolicyService, Source } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { useState } from "react";
import { Badge, Failure, Head, Loading } from "../parts";

/** What the caller may call, and what is missing for the rest. */
export function Access() {
  const rules = useQuery(PolicyService.method.listRules, {});
  const mine = useQuery(PolicyService.method.explain, {});
  const [hiding, setHiding] = useState(false);
  const failed = [rules, mine].find((query) => query.isError);
  const groups = groupsOf(rules.data?.rules ?? [], mine.data?.explanations ?? [])
    .map((group) => ({ ...group, rows: group.rows.filter(({ outcome }) => !hiding || outcome !== Outcome.MET) }))
    .filter(({ rows }) => rows.length > 0);

  return (
    <>
      <Head title="Access">
        <p className="quiet">Which methods you may call with your present token. It is decided again with each call.</p>
      </Head>
      {failed !== undefined ? <Failure error={failed.error} retry={() => void Promise.all([rules.refetch(), mine.refetch()])} /> : rules.isPending || mine.isPending ? <Loading /> : (
        <>
          <label className="check">
            <input type="checkbox" checked={hiding} onChange={(event) => setHiding(event.target.checked)} /> Hide what you may call
          </label>
          {groups.length === 0 && <p className="empty">Nothing is left: you may call every method.</p>}
          {groups.map(({ service, builtIn, rows }) => (
            <section key={service} aria-label={service || plain}>
              <h2>{service ? <code>{service}</code> : plain} {builtIn && <Badge tone="quiet">built in</Badge>}</h2>
              <table>
                <thead>
                  <tr><th scope="col">Method</th><th scope="col">Who may call</th><th scope="col">You</th></tr>
                </thead>
                <tbody>
                  {rows.map((row) => <Line key={row.name} row={row} />)}
                </tbody>
              </table>
            </section>
          ))}
        </>
      )}
    </>
  );
}

/** The name of what belongs to no service: HTTP requests of a kind, such as OPTIONS. */
const plain = "Requests of plain HTTP";

interface Row {
  name: string;
  access: string;
  outcome: Outcome;
  checks: Check[];
}

interface Group {
  /** Empty for {@link plain}. */
  service: string;
  builtIn: boolean;
  rows: Row[];
}

/** The methods by service: those that the server is there for, then what it has built in, then the rest. */
function groupsOf(rules: MethodRule[], explanations: Explanation[]): Group[] {
  const declared = new Map(rules.map((rule) => [rule.procedure, rule]));
  const groups = new Map<string, Group>();
  for (const { procedure, outcome, checks } of explanations) {
    const [service = "", name = procedure] = procedure.startsWith("/") ? procedure.slice(1).split("/") : [];
    const rule = declared.get(procedure);
    const group = groups.get(service) ?? { service, builtIn: rule?.source === Source.BUILT_IN, rows: [] };
    group.rows.push({ name, access: rule?.access ?? "", outcome, checks });
    groups.set(service, group);
  }
  const rank = ({ service, builtIn }: Group) => (service === "" ? 2 : builtIn ? 1 : 0);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

function Line({ row: { name, access, outcome, checks } }: { row: Row }) {
  const those = (which: Outcome) => checks.filter((check) => check.outcome === which);
  return (
    <tr>
      <th scope="row"><code>{name}</code></th>
      <td>{access}</td>
      <td>
        <Verdict outcome={outcome} open={those(Outcome.UNDECIDED)} />
        {those(Outcome.UNMET).map((check) => (
          <p key={check.requirement} className="quiet">
            {check.detail || check.requirement} <code>{check.reason}</code>
          </p>
        ))}
      </td>
    </tr>
  );
}

function Verdict({ outcome, open }: { outcome: Outcome; open: Check[] }) {
  switch (outcome) {
    case Outcome.MET:
      return <Badge tone="good">may call</Badge>;
    case Outcome.UNMET:
      return <Badge tone="bad">may not</Badge>;
    default:
      // What it depends on is said by the server: the request, or the handler.
      return <Badge tone="open">{[...new Set(open.map(({ detail }) => detail))].filter(Boolean).join("; ") || "it depends"}</Badge>;
  }
}
