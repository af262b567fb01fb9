import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { useApp } from "../app/app";
import { listPersonas } from "../auth/personas";
import ui from "../ui/ui.module.css";
import { type Caller, callerNamed, nameOf } from "./caller";

interface Props {
  caller: Caller;
  onChange: (caller: Caller) => void;
}

/** Chooses who calls. */
export function CallAs({ caller, onChange }: Props) {
  const { config } = useApp();
  const id = useId();
  const personas = useQuery({ queryKey: ["personas"], queryFn: listPersonas, enabled: config.personas });
  return (
    <>
      <div className={ui.field}>
        <label htmlFor={id}>Call as</label>
        <select id={id} value={nameOf(caller)} onChange={(event) => onChange(callerNamed(event.target.value))}>
          <option value="me">Me, with my present token</option>
          <option value="nobody">Nobody, without a token</option>
          <option value="bearer">The bearer of another token…</option>
          {personas.data && (
            <optgroup label="Personas">
              {personas.data.map(({ name, title }) => (
                <option key={name} value={nameOf({ who: "persona", name })}>
                  {title || name}
                </option>
              ))}
            </optgroup>
          )}
        </select>
      </div>
      {caller.who === "bearer" && (
        <div className={ui.field}>
          <label htmlFor={`${id}-token`}>Token</label>
          <textarea
            id={`${id}-token`}
            className={ui.mono}
            rows={3}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="off"
            value={caller.token}
            onChange={(event) => onChange({ who: "bearer", token: event.target.value })}
          />
        </div>
      )}
    </>
  );
}
