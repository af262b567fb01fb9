import { useEffect, useId, useRef, useState } from "react";
import { priorities } from "../api/stream";
import { useSignedIn } from "../auth/signedin";
import ui from "../ui/ui.module.css";
import { Answer, Request } from "./answer";
import type { Api } from "./api";
import { type Attempt, attempt } from "./attempt";
import { Body } from "./bodyfield";
import { type Caller, nameOf, useTransports } from "./caller";
import { Code } from "./code";
import { ConfirmCall } from "./confirmcall";
import type { Past } from "./history";
import { type Callable, changes, procedureOf, targetsOf } from "./schema";
import styles from "./try.module.css";

interface Props {
  api: Api;
  method: Callable;
  caller: Caller;
  /** The body to begin with. */
  initially: string;
  /** Is told of each call that is over. */
  onDone: (call: Omit<Past, "id">) => void;
}

/** The body of a call, the call, and what comes of it. */
export function Form({ api, method, caller, initially, onDone }: Props) {
  const { streams } = useSignedIn();
  const transportOf = useTransports();
  const id = useId();
  const [body, setBody] = useState(initially);
  const [asking, setAsking] = useState(false);
  const [result, setResult] = useState<Attempt>();
  const stop = useRef<AbortController>(null);
  const running = result?.state === "running";
  useEffect(() => () => stop.current?.abort(), []);
  // The other stream of the window is closed meanwhile.
  const streaming = running && method.methodKind !== "unary";
  useEffect(() => (streaming ? streams.add(id, priorities.user) : undefined), [streams, id, streaming]);

  const send = async () => {
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    const { error, state, took } = await attempt(
      api,
      transportOf(caller, api),
      method,
      body,
      control.signal,
      (now) => stop.current === control && setResult(now),
    );
    onDone({
      backend: api.backend,
      procedure: procedureOf(method),
      body,
      caller: nameOf(caller),
      outcome: error ? (error.reason ?? error.code) : state === "done" ? "OK" : state,
      failed: error !== undefined,
      took,
    });
  };
  const submit = () => {
    if (running) {
      return; // Ctrl+Enter, while the button is disabled
    }
    if (changes(method)) {
      setAsking(true);
    } else {
      void send();
    }
  };

  return (
    <div className={styles.call}>
      <form
        className={ui.form}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {changes(method) && api.backend === "" && <Caution method={method} />}
        <Body message={method.input} value={body} onChange={setBody} onSubmit={submit} />
        {api.backend !== "" && <Destination api={api} caller={caller} />}
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
      {asking && <ConfirmCall api={api} method={method} body={body} caller={caller} onClose={() => setAsking(false)} onConfirm={() => void send()} />}
      <div className={styles.result}>
        {result ? <Answer key={result.began} backend={api.backend} result={result} /> : <p className={ui.empty}>The answer is shown here.</p>}
        {result?.request && <Request request={result.request} />}
      </div>
      <Code api={api} method={method} body={body} caller={caller} />
    </div>
  );
}

/** Says before the call who gets a token by it: a backend can use it as its bearer can. */
function Destination({ api: { url }, caller }: { api: Api; caller: Caller }) {
  return (
    <p className={ui.quiet}>
      {caller.who === "nobody" ? "Without a token, it is called at" : `${tokenOf(caller)} goes to`} <code>{url}</code>
      {caller.who !== "nobody" && ", which can use it until it expires"}.
    </p>
  );
}

function tokenOf(caller: Caller): string {
  return caller.who === "me" ? "Your token" : caller.who === "persona" ? `A token of ${caller.name}` : "The token";
}

/** Says why nothing comes of a template of a method that revokes, and what does. */
function Caution({ method }: { method: Callable }) {
  return (
    <p className={ui.caution}>
      This call revokes for real. The body as it is at first names nobody: the server refuses it, and nothing is revoked. Fill in what to revoke, as one of{" "}
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
