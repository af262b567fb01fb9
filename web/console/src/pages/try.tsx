import { useEffect, useRef, useState } from "react";
import { type Attempt, attempt } from "../attempt";
import { Badge, Head, Help, invalid, Snippet, Violations } from "../parts";
import { go, usePlace } from "../router";
import { type Callable, changes, isCallable, methodNamed, procedureOf, services, targetsOf, template } from "../schema";
import { useSignedIn } from "../signedin";
import { snippets } from "../snippets";

const first = "/ostiary.identity.v1.IdentityService/WhoAmI";

/** Any call that a browser can make, and what comes of it. */
export function Try() {
  const asked = usePlace().searchParams.get("method");
  const method = methodNamed(asked) ?? methodNamed(first);
  return (
    <>
      <Head title="Try">
        <p className="quiet">Call a method with your present token.</p>
      </Head>
      {method && (
        <>
          <label className="field">
            Method
            <select value={procedureOf(method)} onChange={(event) => go(`/try?method=${encodeURIComponent(event.target.value)}`, true)}>
              {services.map((service) => (
                <optgroup key={service.typeName} label={service.typeName}>
                  {service.methods.filter(isCallable).map((m) => (
                    <option key={m.name} value={procedureOf(m)}>
                      {m.name}{m.methodKind === "unary" ? "" : " (stream)"}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          </label>
          <Form key={procedureOf(method)} method={method} />
        </>
      )}
    </>
  );
}

function Form({ method }: { method: Callable }) {
  const { transport } = useSignedIn();
  const [body, setBody] = useState(() => template(method.input));
  const [result, setResult] = useState<Attempt>();
  const stop = useRef<AbortController>(null);
  const running = result?.state === "running";
  useEffect(() => () => stop.current?.abort(), []);

  const send = () => {
    stop.current?.abort();
    const control = (stop.current = new AbortController());
    void attempt(transport, method, body, control.signal, (now) => stop.current === control && setResult(now));
  };

  return (
    <>
      <form onSubmit={(event) => { event.preventDefault(); send(); }}>
        {changes(method) && <Caution method={method} />}
        <label className="field">
          Body
          <textarea
            className="mono"
            rows={Math.min(14, body.split("\n").length + 1)}
            spellCheck={false}
            value={body}
            onChange={(event) => setBody(event.target.value)}
            onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && send()}
          />
        </label>
        <div className="actions">
          <button type="submit" className="primary" disabled={running}>Send</button>
          {running && <button type="button" onClick={() => stop.current?.abort()}>Stop</button>}
        </div>
      </form>
      {result?.request && <Request method={method} request={result.request} />}
      {result && <Answer result={result} />}
      <Same method={method} body={body} />
    </>
  );
}

/** Says why nothing comes of a template of a method that revokes, and what does. */
function Caution({ method }: { method: Callable }) {
  return (
    <p className="caution">
      This call revokes for real. The body as it is here names nobody: the server refuses it, and nothing is revoked. Fill in what to revoke, as one of{" "}
      {targetsOf(method.input).map((name, i) => <span key={name}>{i > 0 && ", "}<code>{name}</code></span>)}.
    </p>
  );
}

/** The request as it was sent, but for the token. */
function Request({ method, request: { headers, body } }: { method: Callable; request: NonNullable<Attempt["request"]> }) {
  const lines = headers.map(([name, value]) => `${name}: ${name === "authorization" ? value.replace(/ .*/, " ••••") : value}`);
  return (
    <section aria-labelledby="request">
      <h2 id="request">Request</h2>
      <pre className="wrap" tabIndex={0} aria-labelledby="request">
        {[`POST ${procedureOf(method)}`, ...lines, "", body].join("\n")}
      </pre>
    </section>
  );
}

function Answer({ result }: { result: Attempt }) {
  const { state, error, headers, messages } = result;
  return (
    <section aria-labelledby="answer">
      <h2 id="answer">
        Answer{" "}
        <span role="status">
          {error ? <Badge tone="bad">{error.reason ?? error.code}</Badge> : <Badge tone={state === "done" ? "good" : "quiet"}>{state}</Badge>}
        </span>
      </h2>
      {error && <p>{error.violations.length > 0 ? invalid : error.message} {error.reason && <span className="quiet">({error.code})</span>}</p>}
      {error?.help && <p><Help link={error.help}>What to do about it</Help></p>}
      {error && <Violations of={error.violations} />}
      {messages.map((message, i) => <pre key={i} tabIndex={0} aria-label={`Message ${i + 1}`}>{message}</pre>)}
      {state !== "running" && !error && messages.length === 0 && <p className="quiet">No message.</p>}
      {headers.length > 0 && (
        <details>
          <summary>Headers</summary>
          <pre className="wrap" tabIndex={0} aria-label="Headers">{headers.map(([name, value]) => `${name}: ${value}`).join("\n")}</pre>
        </details>
      )}
    </section>
  );
}

function Same({ method, body }: { method: Callable; body: string }) {
  const all = snippets(method, body, location.origin);
  const [shown, setShown] = useState<keyof typeof all>("curl");
  return (
    <section aria-labelledby="same">
      <h2 id="same">The same elsewhere</h2>
      <Snippet text={all[shown]} label={`The call with ${shown}`}>
        <div className="choice" role="group" aria-labelledby="same">
          {(Object.keys(all) as (keyof typeof all)[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === shown} onClick={() => setShown(name)}>{name}</button>
          ))}
        </div>
      </Snippet>
    </section>
  );
}
