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
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import styles from "./access.module.css";
import { Matrix } from "./matrix";
import { keyOf, type Access as Lists, readAccess } from "./read";
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
  const groups = groupsOf(query.data ?? { backends: [], rules: [], explanations: [] })
    .map((group) => ({
      ...group,
      rows: group.rows.filter(
        ({ procedure, outcome }) => (show !== "missing" || outcome !== AccessOutcome.MET) && procedure.toLowerCase().includes(q.toLowerCase()),
      ),
    }))
    .filter(({ rows }) => rows.length > 0);
  const own = groups.filter(({ backend }) => backend === "");
  const backends = (query.data?.backends ?? []).filter(({ name }) => q === "" || groups.some(({ backend }) => backend === name));

  return (
    <div className={`${ui.page} ${ui.wide}`}>
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
          {groups.length === 0 && backends.length === 0 && (
            <p className={ui.empty}>{q === "" ? "Nothing is left: you may call every method." : "No method matches."}</p>
          )}
          {own.length > 0 && (
            <div className={styles.list}>
              {own.map((group) => (
                <Service key={group.service} group={group} compared={compared} />
              ))}
            </div>
          )}
          {backends.map((backend) => (
            <section key={backend.name} className={ui.section} aria-label={`The backend ${showHidden(backend.name)}`}>
              <h2>
                {showHidden(backend.name)} <Badge tone="quiet">backend</Badge>
              </h2>
              <p className={ui.quiet}>{backend.problem || "By its schema: it decides by itself when it is called."}</p>
              <div className={styles.list}>
                {groups
                  .filter((group) => group.backend === backend.name)
                  .map((group) => (
                    <Service key={group.service} group={group} compared={compared} callable={backend.url !== ""} />
                  ))}
              </div>
            </section>
          ))}
        </>
      )}
    </div>
  );
}

interface Row {
  backend: string;
  procedure: string;
  name: string;
  rule: MethodRule | undefined;
  outcome: AccessOutcome;
  requirements: Requirement[];
}

/** A service of this server, or of a backend. */
interface Group {
  backend: string;
  service: string;
  builtIn: boolean;
  rows: Row[];
}

/** The methods by backend and service: those that the server is there for come before those that it has built in. */
function groupsOf({ rules, explanations }: Lists): Group[] {
  const declared = new Map(rules.map((rule) => [keyOf(rule), rule]));
  const groups = new Map<string, Group>();
  for (const { backend, procedure, outcome, requirements } of explanations) {
    const [service = "", name = procedure] = procedure.slice(1).split("/");
    const rule = declared.get(keyOf({ backend, procedure }));
    const key = keyOf({ backend, procedure: service });
    const group = groups.get(key) ?? { backend, service, builtIn: rule?.source === RuleSource.BUILT_IN, rows: [] };
    group.rows.push({ backend, procedure, name, rule, outcome, requirements });
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => Number(a.builtIn) - Number(b.builtIn));
}

interface ServiceProps {
  group: Group;
  /** Whether the personas are compared. */
  compared: boolean;
  /** Whether browsers reach the backend. */
  callable?: boolean;
}

function Service({ group: { backend, service, builtIn, rows }, compared, callable = false }: ServiceProps) {
  const Heading = backend === "" ? "h2" : "h3";
  const label = backend === "" ? service : `${service} of ${showHidden(backend)}`;
  return (
    <section className={styles.service} aria-label={label}>
      <Heading>
        <code>{service}</code> {builtIn && <Badge tone="quiet">built in</Badge>}
      </Heading>
      {compared ? (
        <Matrix methods={rows} label={label} />
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
              <Line key={row.name} row={row} callable={callable} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Line({ row: { backend, procedure, name, rule, outcome, requirements }, callable }: { row: Row; callable: boolean }) {
  const tried = backend === "" ? methodNamed(procedure) !== undefined : callable;
  const those = (which: AccessOutcome) => requirements.filter((requirement) => requirement.outcome === which);
  return (
    <tr>
      <th scope="row">
        {tried ? (
          <Link to="/try" search={{ backend: backend || undefined, method: procedure }} title="Try it">
            <code>{name}</code>
          </Link>
        ) : (
          <code>{name}</code>
        )}
      </th>
      <td>{rule && <Declared rule={rule} />}</td>
      <td>
        <div className={styles.verdict}>
          <Verdict outcome={outcome} open={those(AccessOutcome.UNDECIDED)} />
          {those(AccessOutcome.UNMET).map(({ description, detail, reason }) => (
            <p key={description} className={ui.quiet}>
              {showHidden(detail || description)} {reason !== Reason.UNSPECIFIED && <code>{Reason[reason] ?? reason}</code>}
            </p>
          ))}
        </div>
      </td>
    </tr>
  );
}

/** A rule in words, and as it is declared. */
function Declared({ rule: { description, rule, source } }: { rule: MethodRule }) {
  if (rule === undefined) {
    return showHidden(description);
  }
  return (
    <details>
      <summary>{showHidden(description)}</summary>
      <pre tabIndex={0} aria-label="The rule in a .proto file">
        {showHidden(optionOf(rule))}
      </pre>
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
      return <Badge tone="open">{showHidden([...new Set(open.map(({ detail }) => detail))].filter(Boolean).join("; ")) || "it depends"}</Badge>;
  }
}
