import { useQuery } from "@connectrpc/connect-query";
import { type Explanation, Outcome, PolicyService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { useState } from "react";
import { Badge, Failure, Head, Loading } from "../parts";

/** What the caller may call, and what is missing for the rest. */
export function Access() {
  const rules = useQuery(PolicyService.method.listRules, {});
  const mine = useQuery(PolicyService.method.explain, {});
  const [onlyMissing, setOnlyMissing] = useState(false);
  const failed = [rules, mine].find((query) => query.isError);

  const access = new Map(rules.data?.rules.map((rule) => [rule.procedure, rule.access]));
  const services = new Map<string, Explanation[]>();
  for (const explanation of mine.data?.explanations ?? []) {
    const service = explanation.procedure.split("/")[1] ?? "Other";
    if (!onlyMissing || explanation.outcome !== Outcome.MET) {
      services.set(service, [...(services.get(service) ?? []), explanation]);
    }
  }

  return (
    <>
      <Head title="Access">
        <p className="quiet">Which methods you may call with your present token. It is decided again with each call.</p>
      </Head>
      {failed !== undefined ? <Failure error={failed.error} retry={() => void Promise.all([rules.refetch(), mine.refetch()])} /> : mine.isPending ? <Loading /> : (
        <>
          <label className="check">
            <input type="checkbox" checked={onlyMissing} onChange={(event) => setOnlyMissing(event.target.checked)} /> Only where something is missing
          </label>
          {services.size === 0 && <p className="empty">Nothing is missing: you may call every method.</p>}
          {[...services].map(([service, explanations]) => (
            <section key={service} aria-label={service}>
              <h2 className="mono">{service}</h2>
              <table>
                <thead>
                  <tr><th scope="col">Method</th><th scope="col">Who may call</th><th scope="col">You</th></tr>
                </thead>
                <tbody>
                  {explanations.map((explanation) => (
                    <Row key={explanation.procedure} explanation={explanation} access={access.get(explanation.procedure) ?? ""} />
                  ))}
                </tbody>
              </table>
            </section>
          ))}
        </>
      )}
    </>
  );
}

const verdicts: Record<Outcome, { tone: "good" | "bad" | "quiet"; text: string }> = {
  [Outcome.UNSPECIFIED]: { tone: "quiet", text: "unknown" },
  [Outcome.MET]: { tone: "good", text: "may call" },
  [Outcome.UNMET]: { tone: "bad", text: "may not" },
  [Outcome.UNDECIDED]: { tone: "quiet", text: "depends on the request" },
};

function Row({ explanation, access }: { explanation: Explanation; access: string }) {
  const { tone, text } = verdicts[explanation.outcome];
  const missing = explanation.checks.filter((check) => check.outcome === Outcome.UNMET);
  return (
    <tr>
      <th scope="row"><code>{explanation.procedure.split("/").at(-1)}</code></th>
      <td>{access}</td>
      <td>
        <Badge tone={tone}>{text}</Badge>
        {missing.map((check) => (
          <p key={check.requirement} className="quiet">
            {check.detail || check.requirement} <code>{check.reason}</code>
          </p>
        ))}
      </td>
    </tr>
  );
}
