import { functionSource } from "@ostiary/client";
import { QueryClient, QueryClientProvider, useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApp } from "../app/app";
import { trimToken } from "../token/trim";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { sentence } from "../ui/text";
import ui from "../ui/ui.module.css";
import { WithClerk } from "./clerksignin";
import { Issuers } from "./issuers";
import { listPersonas, signInAs } from "./personas";
import { SignedIn } from "./signedin";
import styles from "./signin.module.css";
import type { GoesOnAt, Notice } from "./signout";

const queries = new QueryClient({ defaultOptions: { queries: { networkMode: "always", retry: 1 }, mutations: { networkMode: "always" } } });

/** The page to sign in on: as a persona, at an issuer, with Clerk, or with a token. */
export function SignIn() {
  const { config, notice, signIn } = useApp();
  const elsewhere = config.signIns !== undefined || config.clerk !== undefined;
  return (
    <QueryClientProvider client={queries}>
      <div className={ui.page}>
        <Head title="Sign in">{config.personas && <p className={ui.quiet}>Choose a persona. Every window can be signed in as somebody else.</p>}</Head>
        {notice?.pending === true && (
          <p role="status" className={ui.quiet}>
            Signing out…
          </p>
        )}
        {notice?.pending === false && <NoticeBox notice={notice} />}
        {config.personas && <Personas onSignIn={signIn} />}
        {config.signIns !== undefined && !notice?.pending && <Issuers of={config.signIns} />}
        {config.clerk !== undefined && !config.personas && !notice?.pending && <WithClerk clerk={config.clerk} onSignIn={signIn} />}
        {elsewhere && (
          <details className={styles.instead}>
            <summary>Sign in with a token instead</summary>
            <WithToken onSignIn={signIn}>Paste a token of an issuer of this server; it stays in this window's memory.</WithToken>
          </details>
        )}
        {!elsewhere && !config.personas && (
          <WithToken onSignIn={signIn}>
            This server has no page to sign in on. Paste a token of its issuer; it stays in this window's memory. For signing in, set{" "}
            <code>console_client_id</code> of the issuer, or with Clerk <code>publishable_key</code>.
          </WithToken>
        )}
      </div>
    </QueryClientProvider>
  );
}

/** Why nobody is signed in, and how to end what goes on. */
function NoticeBox({ notice: { text, goesOnAt } }: { notice: Notice }) {
  const end = useMutation({ mutationFn: (at: GoesOnAt) => at.end(AbortSignal.timeout(10_000)) });
  return (
    <div role="alert" className={ui.notice}>
      <p>{text}</p>
      {goesOnAt !== undefined && (
        <>
          <p className={ui.quiet}>You may still be signed in at {goesOnAt.name}, which would sign you in again as before.</p>
          <button type="button" disabled={end.isPending} onClick={() => end.mutate(goesOnAt)}>
            Sign out at {goesOnAt.name}
          </button>
        </>
      )}
    </div>
  );
}

interface Props {
  onSignIn: (signedIn: SignedIn) => void;
}

function Personas({ onSignIn }: Props) {
  const personas = useQuery({ queryKey: ["personas"], queryFn: listPersonas });
  const [ttl, setTTL] = useState("");
  const signIn = useMutation({ mutationFn: (name: string) => signInAs(name, ttl), onSuccess: onSignIn });
  if (personas.data === undefined) {
    return personas.isError ? <Failure error={personas.error} retry={() => void personas.refetch()} /> : <Loading />;
  }
  return (
    <>
      {signIn.isError && <Failure error={signIn.error} />}
      <ul className={styles.personas}>
        {personas.data.map(({ name, title, description }) => (
          <li key={name}>
            <div>
              <h2>{title}</h2>
              <p className={ui.quiet}>{sentence(description)}</p>
            </div>
            <button
              type="button"
              className={ui.primary}
              aria-label={`Sign in as ${name}`}
              disabled={signIn.isPending}
              onClick={() => {
                // The second half of a double click comes before the button is disabled.
                if (queries.isMutating() === 0) {
                  signIn.mutate(name);
                }
              }}
            >
              Sign in
            </button>
          </li>
        ))}
      </ul>
      <label className={`${ui.field} ${ui.narrow}`}>
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

function WithToken({ onSignIn, children }: Props & { children: ReactNode }) {
  const [text, setText] = useState("");
  const signIn = () => {
    const token = trimToken(text);
    onSignIn(
      new SignedIn(
        functionSource(() => token),
        { forget: () => {}, goesOn: "The token that you pasted is good until it expires." },
      ),
    );
  };
  return (
    <form
      className={ui.form}
      onSubmit={(event) => {
        event.preventDefault();
        signIn();
      }}
    >
      <p className={ui.quiet}>{children}</p>
      <label className={ui.field}>
        Token
        <textarea className={ui.mono} rows={5} required spellCheck={false} autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <div className={ui.actions}>
        <button type="submit" className={ui.primary}>
          Sign in
        </button>
      </div>
    </form>
  );
}
