import { functionSource } from "@ostiary/client";
import { useEffect, useState } from "react";
import type { Config } from "../config";
import type { Notice } from "../leave";
import { Failure, Head, Loading } from "../parts";
import { becomePersona, listPersonas, type Persona } from "../persona";
import { SignedIn } from "../signedin";
import { sentence } from "../text";
import { WithClerk } from "./withclerk";

interface Props {
  config: Config;
  /** Why nobody is signed in any more. */
  notice: Notice | undefined;
  onSignIn: (signedIn: SignedIn) => void;
}

export function SignIn({ config, notice, onSignIn }: Props) {
  return (
    <main className="signin">
      <Head title="Sign in">
        {config.personas && <p className="quiet">Choose somebody to be. Every window can be somebody else.</p>}
        {notice?.pending === true && <p role="status" className="quiet">Signing out…</p>}
        {notice?.pending === false && <p role="alert" className="notice">{notice.text}</p>}
      </Head>
      {config.personas ? (
        <Personas onSignIn={onSignIn} />
      ) : config.clerk === undefined ? (
        <WithToken onSignIn={onSignIn} />
      ) : (
        !notice?.pending && <WithClerk clerk={config.clerk} onSignIn={onSignIn} />
      )}
    </main>
  );
}

function Personas({ onSignIn }: Pick<Props, "onSignIn">) {
  const [personas, setPersonas] = useState<Persona[]>();
  const [error, setError] = useState<unknown>();
  const [ttl, setTTL] = useState("");
  const [busy, setBusy] = useState(false);
  const become = (name: string) => {
    setBusy(true);
    setError(undefined);
    becomePersona(name, ttl).then(onSignIn, setError).finally(() => setBusy(false));
  };
  useEffect(() => {
    listPersonas().then(setPersonas, setError);
  }, []);
  if (personas === undefined) {
    return error === undefined ? <Loading /> : <Failure error={error} retry={() => location.reload()} />;
  }
  return (
    <>
      {error !== undefined && <Failure error={error} />}
      <ul className="cards">
        {personas.map(({ name, title, description }) => (
          <li key={name} className="card">
            <div className="card-main">
              <h2>{title}</h2>
              <p className="quiet">{sentence(description)}</p>
            </div>
            <button type="button" className="primary" aria-label={`Sign in as ${name}`} disabled={busy} onClick={() => become(name)}>
              Sign in
            </button>
          </li>
        ))}
      </ul>
      <label className="field narrow">
        Tokens live for
        <select value={ttl} onChange={(event) => setTTL(event.target.value)}>
          <option value="">their usual time</option>
          <option value="3s">3 seconds</option>
          <option value="10s">10 seconds</option>
          <option value="10m">10 minutes</option>
        </select>
      </label>
    </>
  );
}

function WithToken({ onSignIn }: Pick<Props, "onSignIn">) {
  const [token, setToken] = useState("");
  const signIn = () => {
    onSignIn(new SignedIn(functionSource(() => token.trim()), { forget: () => {}, lasting: "The token that you pasted is good until it expires." }));
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); signIn(); }}>
      <p className="quiet">
        This server knows no page to sign in on. Paste a token of its issuer; it stays in this window's memory. With Clerk, set the server's <code>publishable_key</code>.
      </p>
      <label className="field">
        Token
        <textarea className="mono" rows={5} required spellCheck={false} autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} />
      </label>
      <div className="actions"><button type="submit" className="primary">Sign in</button></div>
    </form>
  );
}
