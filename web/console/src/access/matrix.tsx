import { createClient } from "@connectrpc/connect";
import { type AccessExplanation, AccessOutcome, AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { useQueries, useQuery } from "@tanstack/react-query";
import { listPersonas } from "../auth/personas";
import { useTransports } from "../try/caller";
import { Failure, Loading } from "../ui/failure";
import { Badge } from "../ui/names";
import styles from "./access.module.css";
import { keyOf, readExplanations } from "./read";

interface Props {
  methods: { backend: string; procedure: string; name: string }[];
  label: string;
}

/** What every persona of the development issuer may call, of the methods of a service. */
export function Matrix({ methods, label }: Props) {
  const { names, answers, error } = useAnswers();
  if (error) {
    return <Failure error={error} />;
  }
  return (
    // It is scrolled with the keyboard, too.
    <section className={styles.scroller} aria-label={`${label}, by persona`} tabIndex={0}>
      {names === undefined ? (
        <Loading />
      ) : (
        <table className={styles.matrix}>
          <thead>
            <tr>
              <th scope="col">Method</th>
              {names.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {methods.map(({ name, ...method }) => (
              <tr key={method.procedure}>
                <th scope="row">
                  <code>{name}</code>
                </th>
                {names.map((persona) => (
                  <td key={persona}>
                    <Cell explanation={answers.get(persona)?.get(keyOf(method))} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Cell({ explanation }: { explanation: AccessExplanation | undefined }) {
  if (explanation === undefined) {
    return "…";
  }
  const { outcome, requirements } = explanation;
  const why = requirements
    .filter((requirement) => requirement.outcome === outcome)
    .map(({ detail, description }) => detail || description)
    .join("; ");
  switch (outcome) {
    case AccessOutcome.MET:
      return <Badge tone="good">yes</Badge>;
    case AccessOutcome.UNMET:
      return (
        <span title={why}>
          <Badge tone="bad">no</Badge>
        </span>
      );
    default:
      return (
        <span title={why}>
          <Badge tone="open">depends</Badge>
        </span>
      );
  }
}

/** Asks the server for each persona, with a token of theirs. */
function useAnswers() {
  const transportOf = useTransports();
  const personas = useQuery({ queryKey: ["personas"], queryFn: listPersonas });
  const names = personas.data?.map(({ name }) => name);
  return useQueries({
    queries: (names ?? []).map((name) => ({
      queryKey: ["access", "persona", name],
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const client = createClient(AccessService, transportOf({ who: "persona", name }));
        return new Map((await readExplanations(client, { signal })).map((explanation) => [keyOf(explanation), explanation]));
      },
    })),
    combine: (results) => ({
      names,
      answers: new Map(results.map(({ data }, i) => [names?.[i] ?? "", data])),
      error: personas.error ?? results.find(({ error }) => error !== null)?.error,
    }),
  });
}
