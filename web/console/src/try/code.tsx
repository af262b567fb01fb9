import { useState } from "react";
import { useApp } from "../app/app";
import { personaOfWindow } from "../auth/personas";
import { save } from "../ui/save";
import { Snippet } from "../ui/snippet";
import ui from "../ui/ui.module.css";
import type { Api } from "./api";
import type { Caller } from "./caller";
import type { Callable } from "./schema";
import { snippets } from "./snippets";

interface Props {
  api: Api;
  method: Callable;
  body: string;
  caller: Caller;
}

/** The same call for the shell and for programs. */
export function Code({ api, method, body, caller }: Props) {
  const { config } = useApp();
  const persona = !config.personas ? undefined : caller.who === "persona" ? caller.name : caller.who === "me" ? personaOfWindow() : undefined;
  const schema = api.backend === "" ? undefined : fileOf(api.backend);
  const all = snippets(method, body, { url: api.url, persona, issuer: location.origin, anonymous: caller.who === "nobody", schema });
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
      {persona === undefined && caller.who !== "nobody" && (
        <p className={ui.quiet}>
          <code>TOKEN</code> is the token of who calls.
        </p>
      )}
      {schema !== undefined && (shown === "buf curl" || shown === "grpcurl") && (
        <p className={ui.quiet}>
          The command reads the schema of the backend in <code>{schema}</code>.{" "}
          <button type="button" onClick={() => save(schema, "application/octet-stream", api.schema ?? new Uint8Array())}>
            Save it
          </button>
        </p>
      )}
    </section>
  );
}

/** The name of the file with the schema of a backend. */
function fileOf(backend: string): string {
  return `${backend.replaceAll(/[^A-Za-z0-9.-]+/g, "-").replace(/^[.-]+/, "") || "backend"}.binpb`;
}
