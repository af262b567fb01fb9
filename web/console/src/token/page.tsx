import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@ostiary/client";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useNow } from "../api/clock";
import { useOperator } from "../app/permitted";
import { useSignedIn } from "../auth/signedin";
import { helpOf } from "../decisions/reasons";
import { Failure } from "../ui/failure";
import { Head } from "../ui/head";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { explainToken, tryToken } from "./check";
import { Checks } from "./checks";
import { type Parts, readToken, timeClaims, timeOf } from "./read";
import styles from "./token.module.css";
import { trimToken } from "./trim";
import { Verdict } from "./verdict";

const route = getRouteApi("/token");

/** What a token says, and what the server says of it. The token stays in the memory of this page. */
export function Token() {
  const { method, reason } = route.useSearch();
  const [text, setText] = useState("");
  const token = trimToken(text);
  const parts = token === "" ? undefined : readToken(token);
  return (
    <div className={`${ui.page} ${styles.page}`}>
      <Head title="Token">
        <p className={ui.quiet}>Paste a token to see what it says. It is read in this page, sent only to this server when you ask for it, and never stored.</p>
      </Head>
      {reason && (
        <p className={ui.notice}>
          <span>
            A call was refused with{" "}
            <a href={helpOf(reason)} target="_blank" rel="noreferrer">
              <Id>{reason}</Id>
            </a>
            {method && (
              <>
                {" "}
                at <Id>{method}</Id>
              </>
            )}
            . Decisions have no token: paste the caller's to see what it lacks.
          </span>
        </p>
      )}
      <div className={ui.columns}>
        <div className={styles.column}>
          <label className={ui.field}>
            Token
            <textarea
              className={ui.mono}
              rows={5}
              spellCheck={false}
              autoComplete="off"
              autoCapitalize="off"
              value={text}
              onChange={(event) => setText(event.target.value)}
              aria-describedby="trimmed"
            />
          </label>
          <p id="trimmed" className={ui.quiet}>
            {text !== "" && token !== text ? "“Bearer”, quotes and line breaks were left out." : "“Bearer”, quotes and line breaks are left out."}
          </p>
          {typeof parts === "string" && (
            <p role="alert" className={ui.failure}>
              {parts}
            </p>
          )}
          {typeof parts === "object" && (
            <>
              <Check key={token} token={token} method={method} />
              <Times claims={parts.claims} />
            </>
          )}
        </div>
        {typeof parts === "object" && (
          <div className={styles.column}>
            <Part name="Header" value={parts.header} />
            <Part name="Claims" value={parts.claims} />
            <p className={ui.quiet}>
              The signature is not shown. <Link to="/access">What you may call with your own token</Link>
            </p>
          </div>
        )}
      </div>
    </div>
  );
}

function Check({ token, method }: { token: string; method: string | undefined }) {
  const { tokens, access } = useSignedIn();
  const operator = useOperator();
  const { data, ...check } = useMutation({ mutationFn: () => (operator ? explainToken(tokens, access, token) : tryToken(token)), gcTime: 0 });
  return (
    <section className={ui.section} aria-labelledby="check">
      <h2 id="check">Check</h2>
      <div className={ui.actions}>
        <button type="button" className={ui.primary} disabled={check.isPending} onClick={() => check.mutate()}>
          Check with this server
        </button>
        <span role="status">
          {check.isPending ? "Checking…" : data && <Badge tone={data.accepted ? "good" : "bad"}>{data.accepted ? "accepted" : "refused"}</Badge>}{" "}
          {data?.reason && (
            <a href={helpOf(data.reason)} target="_blank" rel="noreferrer">
              <code>{data.reason}</code>
            </a>
          )}
        </span>
      </div>
      {check.isError && <Failure error={check.error} />}
      {data?.cause && <p className={ui.caution}>{showHidden(data.cause)}</p>}
      {data?.refusal && <Refusal error={data.refusal} />}
      {data?.identity && <Verdict identity={data.identity} explanations={data.explanations} accepted={data.accepted} method={method} />}
      {data?.checks && <Checks checks={data.checks} verified={data.verified ?? false} />}
    </section>
  );
}

function Refusal({ error }: { error: ConnectError }) {
  const reason = reasonOf(error);
  return (
    <>
      <Failure error={error} />
      {reason && (
        <p className={ui.quiet}>
          The server's log and the decisions have the cause: what was compared, which callers do not get. An operator sees each check here, and by{" "}
          <code>ostiary token explain</code>.
        </p>
      )}
    </>
  );
}

function Times({ claims }: Pick<Parts, "claims">) {
  const now = useNow();
  return (
    <section className={ui.section} aria-labelledby="times">
      <h2 id="times">Times</h2>
      <dl className={ui.facts}>
        {timeClaims.map(([name, label]) => {
          const value = claims[name];
          const at = timeOf(value);
          return (
            <Fact key={name} name={label}>
              {at === undefined ? (
                <span className={ui.quiet}>
                  {value === undefined ? "not said" : `not a time: ${showHidden(typeof value === "number" ? String(value) : JSON.stringify(value))}`}
                </span>
              ) : (
                <>
                  <Moment at={timestampFromMs(at)} inFull /> <State name={name} at={at} now={now} />
                </>
              )}
            </Fact>
          );
        })}
      </dl>
    </section>
  );
}

function State({ name, at, now }: { name: string; at: number; now: number }) {
  if (name === "exp" && at < now) {
    return <Badge tone="bad">expired</Badge>;
  }
  if ((name === "nbf" || name === "iat") && at > now) {
    return <Badge tone="warning">in the future</Badge>;
  }
  return null;
}

function Part({ name, value }: { name: string; value: Record<string, unknown> }) {
  return (
    <section className={ui.section} aria-labelledby={name}>
      <h2 id={name}>{name}</h2>
      <pre className={ui.wrap} tabIndex={0} aria-labelledby={name}>
        {showHidden(JSON.stringify(value, null, 2))}
      </pre>
    </section>
  );
}
