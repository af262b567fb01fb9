import { TransportProvider } from "@connectrpc/connect-query";
import { Code, type ConnectError } from "@connectrpc/connect";
import { authReason } from "@ostiary/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type MouseEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Config } from "./config";
import { Access } from "./pages/access";
import { Me } from "./pages/me";
import { Sessions } from "./pages/sessions";
import { SignIn } from "./pages/signin";
import { Try } from "./pages/try";
import { explain, Failure, Head, tokenFailure } from "./parts";
import { go, usePlace } from "./router";
import { type SignedIn, SignedInProvider } from "./signedin";
import { useIdentity, type Watched } from "./watch";

const pages = [
  { path: "/", name: "Me" },
  { path: "/sessions", name: "Sessions" },
  { path: "/access", name: "Access" },
  { path: "/try", name: "Try" },
];

function isPage(pathname: string): boolean {
  return pages.some(({ path }) => path === pathname);
}

export function App({ config, initially }: { config: Config; initially: SignedIn | undefined }) {
  const [signedIn, setSignedIn] = useState(initially);
  const [notice, setNotice] = useState<string>();

  const enter = useCallback((entered: SignedIn) => {
    setNotice(undefined);
    setSignedIn(entered);
  }, []);
  const leave = useCallback((why: string) => {
    setNotice(why);
    setSignedIn(undefined);
  }, []);

  const { pathname } = usePlace();
  if (signedIn === undefined) {
    return (
      <>
        <Bar />
        {isPage(pathname) ? <SignIn config={config} notice={notice} onSignIn={enter} /> : <main><Nowhere pathname={pathname} /></main>}
      </>
    );
  }
  return <Inside signedIn={signedIn} onLeave={leave} />;
}

function Inside({ signedIn, onLeave }: { signedIn: SignedIn; onLeave: (why: string) => void }) {
  const [failed, setFailed] = useState<ConnectError>();
  const leaving = useRef(false); // that the session ends then, everywhere, is no news
  const onEnd = useCallback(
    (error: ConnectError) => {
      if (error.code !== Code.Unauthenticated) {
        setFailed(error);
        return;
      }
      if (!leaving.current) {
        void signedIn.issuer.forget().catch(() => {}).then(() => onLeave(farewell(error)));
      }
    },
    [signedIn, onLeave],
  );
  const watched = useIdentity(signedIn, onEnd);
  useEffect(() => signedIn.issuer.watch?.(() => leaving.current || onLeave("Your session has ended.")), [signedIn, onLeave]);
  const queries = useMemo(() => new QueryClient({ defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: true } } }), []);

  const signOut = async () => {
    leaving.current = true;
    await signedIn.issuer.signOut().catch(() => {}); // who cannot tell the server is signed out here all the same
    onLeave("You have signed out.");
  };

  return (
    <SignedInProvider value={signedIn}>
      <TransportProvider transport={signedIn.transport}>
        <QueryClientProvider client={queries}>
          <Bar watched={watched} onSignOut={() => void signOut()} />
          <Connection watched={watched} />
          <main id="main">{failed ? <Failure error={failed} retry={() => location.reload()} /> : <Page watched={watched} />}</main>
        </QueryClientProvider>
      </TransportProvider>
    </SignedInProvider>
  );
}

function Page({ watched }: { watched: Watched }) {
  const { pathname } = usePlace();
  useEffect(() => {
    // Whoever hears the page rather than sees it, hears its new title.
    document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [pathname]);
  switch (pathname) {
    case "/":
      return <Me watched={watched} />;
    case "/sessions":
      return <Sessions />;
    case "/access":
      return <Access />;
    case "/try":
      return <Try />;
    default:
      return <Nowhere pathname={pathname} />;
  }
}

function Nowhere({ pathname }: { pathname: string }) {
  return (
    <div className="nowhere">
      <Head title="No such page">
        <p className="quiet">There is nothing at <code>{pathname}</code>. The address may be mistyped, or from another version of this console.</p>
      </Head>
      <a className="button primary" href="/" onClick={follow("/")}>Go to the first page</a>
    </div>
  );
}

/** Follows a link without loading the page again, but where the user wants a window of its own. */
function follow(path: string) {
  return (event: MouseEvent) => {
    if (!event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      go(path);
    }
  };
}

function Bar({ watched, onSignOut }: { watched?: Watched; onSignOut?: () => void }) {
  const { pathname } = usePlace();
  return (
    <header className="bar">
      {onSignOut && <a className="skip" href="#main">Skip to the page</a>}
      <span className="brand">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 21V10a7 7 0 0 1 14 0v11M2.5 21h19" /><circle cx="12" cy="14" r="1.6" /></svg>
        ostiary
      </span>
      {onSignOut && (
        <>
          <nav aria-label="Pages">
            {pages.map(({ path, name }) => (
              <a key={path} href={path} onClick={follow(path)} aria-current={path === pathname ? "page" : undefined}>{name}</a>
            ))}
          </nav>
          <span className="who">{watched?.identity?.subject}</span>
          <button type="button" className="plain" onClick={onSignOut}>Sign out</button>
        </>
      )}
    </header>
  );
}

/** Says when the server is away, or whoever makes the tokens. A token that is being replaced is nothing to speak of. */
function Connection({ watched: { stream } }: { watched: Watched }) {
  const away = stream.state === "waiting" && stream.delay > 0;
  return (
    <div role="status" className={away ? "away" : ""}>
      {away && `${explain(stream.error).what} Trying again…`}
    </div>
  );
}

function farewell(error: ConnectError): string {
  const reason = authReason(error);
  switch (reason) {
    case "TOKEN_REVOKED":
      return "Your session was ended.";
    case "TOKEN_MISSING":
      return "You are no longer signed in.";
    default:
      return `You are signed out: ${tokenFailure(error) ?? `${error.rawMessage} (${reason ?? Code[error.code]})`}.`;
  }
}
