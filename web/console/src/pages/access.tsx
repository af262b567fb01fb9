import { AccessOutcome, type Requirement, RuleSource } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { Reason } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Access as Lists, readAccess } from "../access";
import { Badge, Failure, Head, Loading } from "../parts";
import { useSignedIn } from "../signedin";

/** What the caller may call, and what is missing for the rest. */
export function Access() {
  const { access } = useSignedIn();
  const query = useQuery({ queryKey: ["access"], queryFn: ({ signal }) => readAccess(access, { signal }) });
  const [hiding, setHiding] = useState(false);
  const groups = groupsOf(query.data ?? { rules: [], explanations: [] })
    .map((group) => ({ ...group, rows: group.rows.filter(({ outcome }) => !hiding || outcome !== AccessOutcome.MET) }))
    .filter(({ rows }) => rows.length > 0);

  return (
    <>
      <Head title="Access">
        <p className="quiet">Which methods you may call with your present token. It is decided again with each call.</p>
      </Head>
      {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : query.isPending ? <Loading /> : (
        <>
          <label className="check">
            <input type="checkbox" checked={hiding} onChange={(event) => setHiding(event.target.checked)} /> Hide what you may call
          </label>
          {groups.length === 0 && <p className="empty">Nothing is left: you may call every method.</p>}
          {groups.map(({ service, builtIn, rows }) => (
            <section key={service} aria-label={service}>
              <h2><code>{service}</code> {builtIn && <Badge tone="quiet">built in</Badge>}</h2>
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

interface Row {
  name: string;
  description: string;
  outcome: AccessOutcome;
  requirements: Requirement[];
}

interface Group {
  service: string;
  builtIn: boolean;
  rows: Row[];
}

/** The methods by service: those that the server is there for, then what it has built in. */
function groupsOf({ rules, explanations }: Lists): Group[] {
  const declared = new Map(rules.map((rule) => [rule.procedure, rule]));
  const groups = new Map<string, Group>();
  for (const { procedure, outcome, requirements } of explanations) {
    const [service = "", name = procedure] = procedure.slice(1).split("/");
    const rule = declared.get(procedure);
    const group = groups.get(service) ?? { service, builtIn: rule?.source === RuleSource.BUILT_IN, rows: [] };
    group.rows.push({ name, description: rule?.description ?? "", outcome, requirements });
    groups.set(service, group);
  }
  return [...groups.values()].sort((a, b) => Number(a.builtIn) - Number(b.builtIn));
}

function Line({ row: { name, description, outcome, requirements } }: { row: Row }) {
  const those = (which: AccessOutcome) => requirements.filter((requirement) => requirement.outcome === which);
  return (
    <tr>
      <th scope="row"><code>{name}</code></th>
      <td>{description}</td>
      <td>
        <Verdict outcome={outcome} open={those(AccessOutcome.UNDECIDED)} />
        {those(AccessOutcome.UNMET).map(({ description, detail, reason }) => (
          <p key={description} className="quiet">
            {detail || description} {reason !== Reason.UNSPECIFIED && <code>{Reason[reason] ?? reason}</code>}
          </p>
        ))}
      </td>
    </tr>
  );
}

function Verdict({ outcome, open }: { outcome: AccessOutcome; open: Requirement[] }) {
  switch (outcome) {
    case AccessOutcome.MET:
      return <Badge tone="good">may call</Badge>;
    case AccessOutcome.UNMET:
      return <Badge tone="bad">may not</Badge>;
    default:
      // What it depends on is said by the server: the request, or the handler.
      return <Badge tone="open">{[...new Set(open.map(({ detail }) => detail))].filter(Boolean).join("; ") || "it depends"}</Badge>;
  }
}
