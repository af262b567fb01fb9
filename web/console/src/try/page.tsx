import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useId, useRef, useState } from "react";
import { priorities } from "../api/stream";
import { useSignedIn } from "../auth/signedin";
import { invalidRequest } from "../ui/errors";
import { Help, Violations } from "../ui/failure";
import { Head } from "../ui/head";
import { Badge } from "../ui/names";
import { Snippet } from "../ui/snippet";
import ui from "../ui/ui.module.css";
import { type Attempt, attempt } from "./attempt";
import { type Callable, changes, isCallable, methodNamed, procedureOf, services, targetsOf, template } from "./schema";
import { snippets } from "./snippets";

const route = getRouteApi("/try");

const first = "/ostiary.identity.v1.IdentityService/WhoAmI";

/** Any call that a browser can make, and what comes of it. */
export function Try() {
  const { method: asked } = route.useSearch();
  const navigate = route.useNavigate();
  const method = methodNamed(asked) ?? methodNamed(first);
  return (
    <div className={ui.page}>
      <Head title="Try">
        <p className={ui.quiet}>Call a method with your present token.</p>
      </Head>
      {method && (
        <>
          <label className={ui.field}>
            Method
            <select value={procedureOf(method)} onChange={(event) => void navigate({ search: { method: event.target.value }, replace: true })}>
              {services.map((service) => (
                <optgroup key={service.typeName} label={service.typeName}>
                  {service.methods.filter(isCallable).map((m) => (
                    <option key={m.name} value={procedureOf(m)}>
                      {m.name}
                      {m.methodKind === "unary" ? "" : " (stream)"}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          </label>
          <p>
            <Link to="/access" search={{ q: procedureOf(method) }}>
              Who may call it
            </Link>
          </p>
          <Form key={procedureOf(method)} method={method} />
        </>
      )}
    </div>
  );
}

function Form({ method }: { method: Callable }) {
  const { transport, streams } = useSignedIn();
  const id = useId();
  const [body, setBody] = useState(() => template(method.input));
  const [result, setResult] = useState<Attempt>();
  const stop = useRef<AbortController>(null);
  const running = result?.state === "running";
  useEffect(() => () => stop.current?.abort(), []);
  // The other stream of the window is closed meanwhile.
  const streaming = running && method.methodKind !== "unary";
  useEffect(() => (streaming ? streams.add(id, priorities.user) : undefined), [streams, id, streaming]);

  const send = () => {
    stop.current?.abort();
    const control = (stop.current = new AbortController());
    void attempt(transport, method, body, control.signal, (now) => stop.current === control && setResult(now));
  };

  return (
    <>
      <form
        className={ui.form}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {changes(method) && <Caution method={method} />}
        <label className={ui.field}>
          Body
          <textarea
            className={ui.mono}
            rows={Math.min(14, body.split("\n").length + 1)}
            spellCheck={false}
            value={body}
            onChange={(event) => setBody(event.target.value)}
            onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && send()}
          />
        </label>
        <div className={ui.actions}>
          <button type="submit" className={ui.primary} disabled={running}>
            Send
          </button>
          {running && (
            <button type="button" onClick={() => stop.current?.abort()}>
              Stop
            </button>
          )}
        </div>
      </form>
      {result?.request && <Request method={method} request={result.request} />}
      {result && <Answer result={result} />}
      <Code method={method} body={body} />
    </>
  );
}

/** Says why nothing comes of a template of a method that revokes, and what does. */
function Caution({ method }: { method: Callable }) {
  return (
    <p className={ui.caution}>
      This call revokes for real. The body as it is here names nobody: the server refuses it, and nothing is revoked. Fill in what to revoke, as one of{" "}
      {targetsOf(method.input).map((name, i) => (
        <span key={name}>
          {i > 0 && ", "}
          <code>{name}</code>
        </span>
      ))}
      .
    </p>
  );
}

/** The request as it was sent, but for the token. */
function Request({ method, request: { headers, body } }: { method: Callable; request: NonNullable<Attempt["request"]> }) {
  const lines = headers.map(([name, value]) => `${name}: ${name === "authorization" ? value.replace(/ .*/, " ••••") : value}`);
  return (
    <section className={ui.section} aria-labelledby="request">
      <h2 id="request">Request</h2>
      <pre className={ui.wrap} tabIndex={0} aria-labelledby="request">
        {[`POST ${procedureOf(method)}`, ...lines, "", body].join("\n")}
      </pre>
    </section>
  );
}

function Answer({ result }: { result: Attempt }) {
  const { state, error, headers, messages } = result;
  return (
    <section className={ui.section} aria-labelledby="answer">
      <h2 id="answer">
        Answer{" "}
        <span role="status">
          {error ? <Badge tone="bad">{error.reason ?? error.code}</Badge> : <Badge tone={state === "done" ? "good" : "quiet"}>{state}</Badge>}
        </span>
      </h2>
      {error && (
        <p>
          {error.violations.length > 0 ? invalidRequest : error.message} {error.reason && <span className={ui.quiet}>({error.code})</span>}
        </p>
      )}
      {error?.help && (
        <p>
          <Help link={error.help}>What to do about it</Help>
        </p>
      )}
      {error && <Violations of={error.violations} />}
      {messages.map((message, i) => (
        <pre key={i} tabIndex={0} aria-label={`Message ${i + 1}`}>
          {message}
        </pre>
      ))}
      {state !== "running" && !error && messages.length === 0 && <p className={ui.quiet}>No message.</p>}
      {headers.length > 0 && (
        <details>
          <summary>Headers</summary>
          <pre className={ui.wrap} tabIndex={0} aria-label="Headers">
            {headers.map(([name, value]) => `${name}: ${value}`).join("\n")}
          </pre>
        </details>
      )}
    </section>
  );
}

function Code({ method, body }: { method: Callable; body: string }) {
  const all = snippets(method, body, location.origin);
  const [shown, setShown] = useState<keyof typeof all>("curl");
  return (
    <section className={ui.section} aria-labelledby="code">
      <h2 id="code">Code</h2>
      <Snippet text={all[shown]} label={`The call with ${shown}`}>
        <div className={ui.choice} role="group" aria-labelledby="code">
          {(Object.keys(all) as (keyof typeof all)[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === shown} onClick={() => setShown(name)}>
              {name}
            </button>
          ))}
        </div>
      </Snippet>
    </section>
  );
}
