import { useState } from "react";
import { invalidRequest } from "../ui/errors";
import { Help, Violations } from "../ui/failure";
import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import type { Attempt } from "./attempt";
import { NoAnswer } from "./noanswer";

/** The request as it was sent, but for the token. */
export function Request({ request: { url, headers, body } }: { request: NonNullable<Attempt["request"]> }) {
  const lines = headers.map(([name, value]) => `${name}: ${name === "authorization" ? value.replace(/ .*/, " ••••") : value}`);
  return (
    <section className={ui.section} aria-labelledby="request">
      <h2 id="request">Request</h2>
      <pre className={ui.wrap} tabIndex={0} aria-labelledby="request">
        {showHidden([`POST ${url}`, ...lines, "", body].join("\n"))}
      </pre>
    </section>
  );
}

/** What came of a call to this server, or to a backend by its name. While it is paused, nothing moves. */
export function Answer({ backend, result }: { backend: string; result: Attempt }) {
  const [paused, setPaused] = useState<Attempt>();
  const shown = paused ?? result;
  const { state, error, headers, messages, count } = shown;
  const missed = result.count - count;
  return (
    <section className={ui.section} aria-labelledby="answer">
      <div className={ui.toolbar}>
        <h2 id="answer">
          Answer{" "}
          <span role="status">
            {error ? <Badge tone="bad">{showHidden(error.reason ?? error.code)}</Badge> : <Badge tone={state === "done" ? "good" : "quiet"}>{state}</Badge>}
          </span>
        </h2>
        <div className={ui.actions}>
          <span className={ui.quiet}>{summary(shown)}</span>
          {(paused !== undefined || (result.state === "running" && count > 0)) && (
            <button type="button" aria-pressed={paused !== undefined} onClick={() => setPaused(paused === undefined ? result : undefined)}>
              {paused === undefined ? "Pause" : missed > 0 ? `Go on, ${missed} more` : "Go on"}
            </button>
          )}
        </div>
      </div>
      {error?.unanswered && shown.request && <NoAnswer why={error.unanswered} request={shown.request} />}
      {error && error.unanswered === undefined && (
        <p>
          {error.violations.length > 0 ? invalidRequest : showHidden(error.message)} {error.reason && <span className={ui.quiet}>({error.code})</span>}
        </p>
      )}
      {error?.help && <Remedy link={error.help} backend={backend} />}
      {error && <Violations of={error.violations} />}
      {count > messages.length && <p className={ui.quiet}>The last {messages.length} messages.</p>}
      {messages.map((message, i) => (
        <pre key={count - messages.length + i} tabIndex={0} aria-label={`Message ${count - messages.length + i + 1}`}>
          {showHidden(message)}
        </pre>
      ))}
      {state !== "running" && !error && count === 0 && <p className={ui.quiet}>No message.</p>}
      {headers.length > 0 && (
        <details>
          <summary>Headers</summary>
          <pre className={ui.wrap} tabIndex={0} aria-label="Headers">
            {showHidden(headers.map(([name, value]) => `${name}: ${value}`).join("\n"))}
          </pre>
        </details>
      )}
    </section>
  );
}

/** Links to what can be done about an error. Of a link that a backend has chosen, it says so, and shows where the browser would go. */
function Remedy({ link, backend }: { link: string; backend: string }) {
  if (backend === "") {
    return (
      <p>
        <Help link={link}>What to do about it</Help>
      </p>
    );
  }
  return URL.canParse(link) ? (
    <p>
      The backend says what to do about it at <Help link={link}>{new URL(link).href}</Help>
    </p>
  ) : null;
}

function summary({ took, count, bytes, state }: Attempt): string {
  const parts = [`${Math.round(took)} ms`];
  if (count > 0) {
    parts.push(`${bytes} bytes as JSON`);
  }
  if (count > 1 || (count > 0 && state === "running")) {
    parts.push(count === 1 ? "1 message" : `${count} messages`);
  }
  return parts.join(", ");
}
