import { AccessOutcome, type MethodRule, type Requirement, RuleSource } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { Reason } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useApp } from "../app/app";
import { useSignedIn } from "../auth/signedin";
import { methodNamed } from "../try/schema";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { Badge } from "../ui/names";
import ui from "../ui/ui.module.css";
import styles from "./access.module.css";
import { Matrix } from "./matrix";
import { type Access as Lists, readAccess } from "./read";
import { optionOf, placeOf } from "./ruletext";

const route = getRouteApi("/access");

/** What the caller may call, and what is missing for the rest. */
export function Access() {
  const { access } = useSignedIn();
  const query = useQuery({ queryKey: ["access"], queryFn: ({ signal }) => readAccess(access, { signal }) });
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { q = "", show } = search;
  const { personas } = useApp().config;
  const compared = personas && search.as === "personas";
  const groups = groupsOf(query.data ?? { rules: [], explanations: [] })
    .map((group) => ({
      ...group,
      rows: group.rows.filter(
        ({ procedure, outcome }) => (show !== "missing" || outcome !== AccessOutcome.MET) && procedure.toLowerCase().includes(q.toLowerCase()),
      ),
    }))
    .filter(({ rows }) => rows.length > 0);

  return (
    <div className={ui.page}>
      <Head title="Access">
        <p className={ui.quiet}>Which methods you may call with your present token. It is decided again with each call.</p>
      </Head>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.isPending ? (
        <Loading />
      ) : (
        <>
          <div className={ui.actions} role="search">
            <input
              type="search"
              aria-label="Search by method"
              placeholder="Method"
              spellCheck={false}
              value={q}
              onChange={(event) => void navigate({ search: { ...search, q: event.target.value || undefined }, replace: true })}
            />
            <label className={ui.check}>
              <input
                type="checkbox"
                checked={show === "missing"}
                onChange={(event) => void navigate({ search: { ...search, show: event.target.checked ? "missing" : undefined }, replace: true })}
              />
              Hide what you may call
            </label>
            {personas && (
              <label className={ui.check}>
                <input
                  type="checkbox"
                  checked={compared}
                  onChange={(event) => void navigate({ search: { ...search, as: event.target.checked ? "personas" : undefined }, replace: true })}
                />
                Compare the personas
              </label>
            )}
          </div>
          {groups.length === 0 && <p className={ui.empty}>{q === "" ? "Nothing is left: you may call every method." : "No method matches."}</p>}
          {groups.map(({ service, place, rows }) => (
            <section key={service} className={ui.section} aria-label={service}>
              <h2>
                <code>{service}</code> {place !== "" && <Badge tone="quiet">{place}</Badge>}
              </h2>
              {compared ? (
                <Matrix methods={rows} label={service} />
              ) : (
                <table className={styles.table}>
                  <thead>
                    <tr>
                      <th scope="col">Method</th>
                      <th scope="col">Who may call</th>
                      <th scope="col">You</th>
                    </tr>
                  </thead>
                  <tbody>
                    {rows.map((row) => (
                      <Line key={row.name} row={row} />
                    ))}
                  </tbody>
                </table>
              )}
            </section>
          ))}
        </>
      )}
    </div>
  );
}

interface Row {
  procedure: string;
  name: string;
  rule: MethodRule | undefined;
  outcome: AccessOutcome;
  requirements: Requirement[];
}

/** Whose a service is: this server's, which says nothing; that of another server, whose schema this one has; or built in. */
const places = ["", "served elsewhere", "built in"] as const;

interface Group {
  service: string;
  place: (typeof places)[number];
  rows: Row[];
}

/** The methods by service: those that the server is there for, those of others, then what it has built in. */
function groupsOf({ rules, explanations }: Lists): Group[] {
  const declared = new Map(rules.map((rule) => [rule.procedure, rule]));
  const groups = new Map<string, Group>();
  for (const { procedure, outcome, requirements } of explanations) {
    const [service = "", name = procedure] = procedure.slice(1).split("/");
    const rule = declared.get(procedure);
    const place = rule?.servedElsewhere ? "served elsewhere" : rule?.source === RuleSource.BUILT_IN ? "built in" : "";
    const group = groups.get(service) ?? { service, place, rows: [] };
    group.rows.push({ procedure, name, rule, outcome, requirements });
    groups.set(service, group);
  }
  return [...groups.values()].sort((a, b) => places.indexOf(a.place) - places.indexOf(b.place));
}

function Line({ row: { procedure, name, rule, outcome, requirements } }: { row: Row }) {
  const those = (which: AccessOutcome) => requirements.filter((requirement) => requirement.outcome === which);
  return (
    <tr>
      <th scope="row">
        {methodNamed(procedure) ? (
          <Link to="/try" search={{ method: procedure }} title="Try it">
            <code>{name}</code>
          </Link>
        ) : (
          <code>{name}</code>
        )}
      </th>
      <td>{rule && <Declared rule={rule} />}</td>
      <td>
        <Verdict outcome={outcome} open={those(AccessOutcome.UNDECIDED)} />
        {those(AccessOutcome.UNMET).map(({ description, detail, reason }) => (
          <p key={description} className={ui.quiet}>
            {detail || description} {reason !== Reason.UNSPECIFIED && <code>{Reason[reason] ?? reason}</code>}
          </p>
        ))}
      </td>
    </tr>
  );
}

/** A rule in words, and as it is declared. */
function Declared({ rule: { description, rule, source } }: { rule: MethodRule }) {
  return (
    <details>
      <summary>{description}</summary>
      {rule && (
        <pre tabIndex={0} aria-label="The rule in a .proto file">
          {optionOf(rule)}
        </pre>
      )}
      <p className={ui.quiet}>{placeOf(source)}</p>
    </details>
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
