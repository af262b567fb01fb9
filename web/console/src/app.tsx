import { TransportProvider } from "@connectrpc/connect-query";
import { Code, type ConnectError } from "@connectrpc/connect";
import { authReason } from "@ostiary/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type MouseEvent, useCallback, useEffect, useMemo, useState } from "react";
import type { Config } from "./config";
import { Access } from "./pages/access";
import { Me } from "./pages/me";
import { Sessions } from "./pages/sessions";
import { SignIn } from "./pages/signin";
import { Try } from "./pages/try";
import { Failure, Head } from "./parts";
import { go, usePlace } from "./router";
import { type SignedIn, SignedInProvider } from "./signedin";
import { useIdentity, type Watched } from "./watch";

const pages = [
  { path: "/", name: "Me" },
  { path: "/sessions", name: "Sessions" },
  { path: "/access", name: "Access" },
  { path: "/try", name: "Try" },
];

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

  if (signedIn === undefined) {
    return (
      <>
        <Bar />
        <SignIn config={config} notice={notice} onSignIn={enter} />
      </>
    );
  }
  return <Inside signedIn={signedIn} onLeave={leave} />;
}

function Inside({ signedIn, onLeave }: { signedIn: SignedIn; onLeave: (why: string) => void }) {
  const [failed, setFailed] = useState<ConnectError>();
  const onEnd = useCallback(
    (error: ConnectError) => {
      if (error.code !== Code.Unauthenticated) {
        setFailed(error);
        return;
      }
      void signedIn.issuer.forget().catch(() => {}).then(() => onLeave(farewell(error)));
    },
    [signedIn, onLeave],
  );
  const watched = useIdentity(signedIn, onEnd);
  const queries = useMemo(() => new QueryClient({ defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: true } } }), []);

  const signOut = async () => {
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
      return (
        <Head title="Nothing here">
          <p className="quiet">There is no page at this address.</p>
        </Head>
      );
  }
}

function Bar({ watched, onSignOut }: { watched?: Watched; onSignOut?: () => void }) {
  const { pathname } = usePlace();
  const follow = (path: string) => (event: MouseEvent) => {
    if (!event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      go(path);
    }
  };
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

/** Says when the server is away. A token that is being replaced is nothing to speak of. */
function Connection({ watched: { stream } }: { watched: Watched }) {
  const away = stream.state === "waiting" && stream.delay > 0;
  return (
    <div role="status" className={away ? "away" : ""}>
      {away && "The server cannot be reached. Trying again…"}
    </div>
  );
}

function farewell(error: ConnectError): string {
  const reason = authReason(error);
  return reason === "TOKEN_REVOKED" ? "Your session was ended." : `You are signed out: ${error.rawMessage} (${reason ?? Code[error.code]}).`;
}
