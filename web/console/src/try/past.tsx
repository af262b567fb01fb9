import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import type { Past } from "./history";
import styles from "./try.module.css";

/** The calls of this window, to be made again. */
export function History({ past, onAgain }: { past: Past[]; onAgain: (call: Past) => void }) {
  return past.length === 0 ? null : (
    <section className={ui.section} aria-labelledby="history">
      <h2 id="history">History</h2>
      <table className={styles.past}>
        <thead>
          <tr>
            <th scope="col">Method</th>
            <th scope="col">Called as</th>
            <th scope="col">Answer</th>
            <th scope="col">Took</th>
            <th scope="col">
              <span className={ui.unseen}>Again</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {past.map((call) => (
            <tr key={call.id}>
              <td>
                {nameOf(call)} {call.backend !== "" && <span className={ui.quiet}>{showHidden(call.backend)}</span>}
              </td>
              <td>{call.caller.replace("persona ", "")}</td>
              <td>
                <Badge tone={call.failed ? "bad" : "good"}>{showHidden(call.outcome)}</Badge>
              </td>
              <td>{Math.round(call.took)} ms</td>
              <td>
                <button type="button" className={ui.ghost} aria-label={`Fill in ${nameOf(call)} again`} onClick={() => onAgain(call)}>
                  Again
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function nameOf({ procedure }: Past): string {
  return procedure.slice(procedure.lastIndexOf("/") + 1);
}
