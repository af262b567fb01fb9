import { functionSource } from "@ostiary/client";
import { useEffect, useRef, useState } from "react";
import { type Clerk, loadClerk, signedInAtClerk } from "../clerk";
import type { Config } from "../config";
import { Failure, Head, Loading } from "../parts";
import { becomePersona, listPersonas, type Persona } from "../persona";
import { SignedIn } from "../signedin";

interface Props {
  config: Config;
  /** Why the last session has ended. */
  notice: string | undefined;
  onSignIn: (signedIn: SignedIn) => void;
}

export function SignIn({ config, notice, onSignIn }: Props) {
  return (
    <main className="signin">
      <Head title="Sign in">
        {config.personas && <p className="quiet">Choose somebody to be. Every window can be somebody else.</p>}
        {notice && <p className="notice" role="alert">{notice}</p>}
      </Head>
      {config.personas ? <Personas onSignIn={onSignIn} /> : config.clerk ? <WithClerk clerk={config.clerk} onSignIn={onSignIn} /> : <WithToken onSignIn={onSignIn} />}
    </main>
  );
}

function Personas({ onSignIn }: Pick<Props, "onSignIn">) {
  const [personas, setPersonas] = useState<Persona[]>();
  const [error, setError] = useState<unknown>();
  const [ttl, setTTL] = useState("");
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
              <p className="quiet">{description}</p>
            </div>
            <button type="button" className="primary" aria-label={`Sign in as ${name}`} onClick={() => becomePersona(name, ttl).then(onSignIn, setError)}>
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

function WithClerk({ clerk: config, onSignIn }: Pick<Props, "onSignIn"> & { clerk: NonNullable<Config["clerk"]> }) {
  const place = useRef<HTMLDivElement>(null);
  const [loading, setLoading] = useState(true);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let leave = () => {};
    let left = false;
    const mount = (clerk: Clerk) => {
      const element = place.current;
      if (left || element === null) {
        return;
      }
      const enter = () => {
        const signedIn = signedInAtClerk(clerk);
        if (signedIn !== undefined) {
          onSignIn(signedIn);
        }
        return signedIn !== undefined;
      };
      if (enter()) {
        return; // Clerk has nothing to show to whom it knows already
      }
      const unlisten = clerk.addListener(enter);
      const here = location.pathname + location.search;
      clerk.mountSignIn(element, { routing: "hash", fallbackRedirectUrl: here, signUpFallbackRedirectUrl: here });
      leave = () => {
        unlisten();
        clerk.unmountSignIn(element);
      };
    };
    loadClerk(config).then(mount).catch(setError).finally(() => setLoading(false));
    return () => {
      left = true;
      leave();
    };
  }, [config, onSignIn]);
  return (
    <>
      {loading && <Loading />}
      {error !== undefined && <Failure error={error} retry={() => location.reload()} />}
      <div ref={place} />
    </>
  );
}

function WithToken({ onSignIn }: Pick<Props, "onSignIn">) {
  const [token, setToken] = useState("");
  const signIn = () => {
    const nothing = async () => {};
    onSignIn(new SignedIn(functionSource(() => token.trim()), { signOut: nothing, forget: nothing }));
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
