import { create } from "@bufbuild/protobuf";
import { type NewRevocation, NewRevocationSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { type ComponentProps, useEffect, useId, useRef, useState } from "react";
import { useWatched } from "../app/watched";
import { useSignedIn } from "../auth/signedin";
import { Confirm } from "../ui/confirm";
import { Fact, Id } from "../ui/names";
import ui from "../ui/ui.module.css";
import { defaultExtent, type Extent, type Field, fieldLabels, forms, hasExtent, type Revocable, targetOf, type Values } from "./form";
import { Preview } from "./preview";
import { useClients, useIssuers } from "./suggestions";
import { kinds, labelOf, nameOf } from "./target";

const revocables = Object.keys(forms) as Revocable[];

interface Props {
  onRevoked: () => void;
  onClose: () => void;
}

/** Asks what to revoke, and then whether it is right. */
export function Revoke({ onRevoked, onClose }: Props) {
  const [revocation, setRevocation] = useState<NewRevocation>();
  return revocation === undefined ? (
    <Form onSubmit={setRevocation} onClose={onClose} />
  ) : (
    <ConfirmRevocation revocation={revocation} onRevoked={onRevoked} onClose={onClose} />
  );
}

function Form({ onSubmit, onClose }: { onSubmit: (revocation: NewRevocation) => void; onClose: () => void }) {
  const { identity } = useWatched();
  const dialog = useRef<HTMLDialogElement>(null);
  const [kind, setKind] = useState<Revocable>("subject");
  const [extent, setExtent] = useState<Extent>();
  const [typed, setIssuer] = useState<string>();
  const issuer = typed ?? identity?.issuer ?? "";
  const issuers = useIssuers();
  const clients = useClients(issuer.trim(), kind === "client");
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (form: HTMLFormElement) => {
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()])) as Values;
    const all = hasExtent(kind) && (extent ?? defaultExtent(kind)) === "all";
    // Without an extent the server revokes what was issued until now; clients and machines must say so.
    const until = kind === "client" || kind === "machine" ? { case: "issuedBeforeTime" as const, value: now() } : undefined;
    onSubmit(
      create(NewRevocationSchema, {
        target: targetOf(kind, values),
        ...(all ? { extent: { case: "allTokens", value: {} } } : hasExtent(kind) && until ? { extent: until } : {}),
      }),
    );
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="revoke">
      <h2 id="revoke">Revoke tokens</h2>
      <form
        className={ui.form}
        onSubmit={(event) => {
          event.preventDefault();
          submit(event.currentTarget);
        }}
      >
        <label className={ui.field}>
          Of
          <select value={kind} onChange={(event) => setKind(event.target.value as Revocable)}>
            {revocables.map((name) => (
              <option key={name} value={name}>
                {kinds[name]}: {forms[name].says}
              </option>
            ))}
          </select>
        </label>
        <Name label="Issuer (iss)" name="issuer" value={issuer} onChange={(event) => setIssuer(event.target.value)} suggestions={issuers} />
        {forms[kind].fields.map((field: Field) => (
          <Name key={field} label={fieldLabels[field]} name={field} suggestions={field === "clientId" ? clients : []} />
        ))}
        {hasExtent(kind) && (
          <fieldset className={ui.field}>
            <legend>Which tokens</legend>
            {(["issued", "all"] as const).map((value) => (
              <label key={value} className={ui.check}>
                <input type="radio" name="extent" value={value} checked={(extent ?? defaultExtent(kind)) === value} onChange={() => setExtent(value)} />
                {value === "issued" ? "Issued until now: later ones are accepted" : "All, those to come as well"}
              </label>
            ))}
          </fieldset>
        )}
        <div className={ui.actions}>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className={ui.primary}>
            Continue
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface NameProps extends Pick<ComponentProps<"input">, "name" | "value" | "onChange"> {
  label: string;
  /** Those that are known. */
  suggestions: readonly string[];
}

/** Asks for a name as tokens have it. */
function Name({ label, suggestions, ...input }: NameProps) {
  const id = useId();
  const suggests = suggestions.length > 0;
  return (
    <label className={ui.field}>
      {label}
      <input type="text" list={suggests ? id : undefined} autoComplete={suggests ? "on" : "off"} required spellCheck={false} {...input} />
      <datalist id={id}>
        {suggestions.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

function ConfirmRevocation({ revocation, onRevoked, onClose }: Props & { revocation: NewRevocation }) {
  const { revocations } = useSignedIn();
  const { kind, issuer, name, subject } = nameOf(revocation.target);
  const label = labelOf(kind);
  return (
    <Confirm
      title={kind === "issuer" ? "Revoke everything of this issuer?" : `Revoke the tokens of this ${label.toLowerCase()}?`}
      action="Revoke"
      defaultCause="revoked in the console"
      run={async ({ cause, requestId, signal }) => {
        await revocations.revokeTokens({ revocations: [{ ...revocation, cause }], requestId }, { signal });
        onRevoked();
      }}
      onDone={() => document.querySelector("h1")?.focus()}
      onClose={onClose}
    >
      <dl id="which" className={ui.facts}>
        {name && (
          <Fact name={label}>
            <Id>{name}</Id>
          </Fact>
        )}
        {subject && (
          <Fact name="Of">
            <Id>{subject}</Id>
          </Fact>
        )}
        <Fact name="Issuer">
          <Id>{issuer}</Id>
        </Fact>
      </dl>
      <p>
        {revocation.extent.case === "allTokens" || kind === "session" || kind === "token"
          ? "Every such token is refused from now on, those that are issued later as well, and its open streams end."
          : "Every such token that was issued until now is refused, and its open streams end. Tokens that are issued later are accepted."}
      </p>
      <Preview of={revocation} />
    </Confirm>
  );
}

function now() {
  return { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 };
}
