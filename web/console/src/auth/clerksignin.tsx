import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Config } from "../app/config";
import { Failure, Loading } from "../ui/failure";
import ui from "../ui/ui.module.css";
import { type Clerk, leftAtClerk, loadClerk, signedInAtClerk, signOutAtClerk } from "./clerk";
import type { SignedIn } from "./signedin";

interface Props {
  onSignIn: (signedIn: SignedIn) => void;
}

/** Clerk's own page to sign in on. */
export function WithClerk({ clerk: config, onSignIn }: Props & { clerk: NonNullable<Config["clerk"]> }) {
  const [clerk, setClerk] = useState<Clerk>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    loadClerk(config).then(setClerk, setError);
  }, [config]);
  if (error !== undefined) {
    return <Failure error={error} retry={() => location.reload()} />;
  }
  return clerk === undefined ? <Loading /> : <AtClerk clerk={clerk} onSignIn={onSignIn} />;
}

function AtClerk({ clerk, onSignIn }: Props & { clerk: Clerk }) {
  const place = useRef<HTMLDivElement>(null);
  const subscribe = useCallback((listener: () => void) => clerk.addListener(listener), [clerk]);
  const id = useSyncExternalStore(subscribe, () => clerk.session?.id);
  const left = useSyncExternalStore(subscribe, () => leftAtClerk(clerk));
  useEffect(() => {
    const signedIn = signedInAtClerk(clerk);
    if (signedIn !== undefined) {
      onSignIn(signedIn);
    }
    const element = place.current;
    if (id !== undefined || left !== undefined || element === null) {
      return undefined; // Clerk has nothing to show to whom it knows already
    }
    const here = location.pathname + location.search;
    clerk.mountSignIn(element, { routing: "hash", fallbackRedirectUrl: here, signUpFallbackRedirectUrl: here });
    return () => clerk.unmountSignIn(element);
  }, [clerk, id, left, onSignIn]);
  return (
    <>
      {left !== undefined && <Left clerk={clerk} sessionId={left} />}
      <div ref={place} />
    </>
  );
}

/** What to do about a session that Clerk goes on with, and this page does not. */
function Left({ clerk, sessionId }: { clerk: Clerk; sessionId: string }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const signOut = () => {
    setBusy(true);
    setError(undefined);
    signOutAtClerk(clerk, sessionId)
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return (
    <section className={ui.section} aria-labelledby="left">
      <h2 id="left">You are still signed in at Clerk</h2>
      <p className={ui.quiet}>This page does not go on with that session. Sign out there to sign in anew, or try the session once more.</p>
      {error !== undefined && <Failure error={error} />}
      <div className={ui.actions}>
        <button type="button" className={ui.primary} disabled={busy} onClick={signOut}>
          Sign out
        </button>
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    </section>
  );
}
