import { useState } from "react";
import { useApp } from "../app/app";
import { personaOfWindow } from "../auth/personas";
import { Snippet } from "../ui/snippet";
import ui from "../ui/ui.module.css";
import type { Caller } from "./caller";
import type { Callable } from "./schema";
import { snippets } from "./snippets";

/** The same call for the shell and for programs. */
export function Code({ method, body, caller }: { method: Callable; body: string; caller: Caller }) {
  const { config } = useApp();
  const persona = !config.personas ? undefined : caller.who === "persona" ? caller.name : caller.who === "me" ? personaOfWindow() : undefined;
  const all = snippets(method, body, { origin: location.origin, persona, anonymous: caller.who === "nobody" });
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
    </section>
  );
}
