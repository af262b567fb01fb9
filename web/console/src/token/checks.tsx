import { Reason } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import { type TokenCheck, TokenCheckOutcome } from "@ostiary/client/gen/ostiary/token/v1/token_pb";
import { helpOf } from "../decisions/reasons";
import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import styles from "./token.module.css";

const outcomes = {
  [TokenCheckOutcome.UNSPECIFIED]: { name: "skipped", tone: "quiet" },
  [TokenCheckOutcome.PASSED]: { name: "passed", tone: "good" },
  [TokenCheckOutcome.FAILED]: { name: "failed", tone: "bad" },
  [TokenCheckOutcome.SKIPPED]: { name: "skipped", tone: "quiet" },
} as const;

/** Every check of a token in order, with what is configured beside what the token has. */
export function Checks({ checks, verified }: { checks: TokenCheck[]; verified: boolean }) {
  return (
    <>
      {!verified && <p className={ui.caution}>The signature does not hold, or could not be checked: anybody can have written what the token has.</p>}
      <table className={styles.checks} aria-label="Checks">
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Configured</th>
            <th scope="col">The token has</th>
          </tr>
        </thead>
        <tbody>
          {checks.map(({ name, outcome, configured, received, reason, cause }) => {
            const { name: came, tone } = outcomes[outcome] ?? outcomes[TokenCheckOutcome.SKIPPED];
            return (
              <tr key={name}>
                <th scope="row">
                  {name} <Badge tone={tone}>{came}</Badge>
                </th>
                <td>{showHidden(configured)}</td>
                <td>
                  {showHidden(received)}
                  {outcome === TokenCheckOutcome.FAILED && (
                    <p className={ui.quiet}>
                      <a href={helpOf(Reason[reason] ?? "")} target="_blank" rel="noreferrer">
                        <code>{Reason[reason] ?? reason}</code>
                      </a>{" "}
                      {showHidden(cause)}
                    </p>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}
