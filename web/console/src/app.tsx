import { Code, type ConnectError } from "@connectrpc/connect";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Bar, Connection, follow, pages } from "./bar";
import type { Config } from "./config";
import { atMost, farewell, goodbye, type Leaving, type Notice } from "./leave";
import { Access } from "./pages/access";
import { Me } from "./pages/me";
import { Sessions } from "./pages/sessions";
import { SignIn } from "./pages/signin";
import { Try } from "./pages/try";
import { Failure, Head, Id } from "./parts";
import { usePlace } from "./router";
import { type SignedIn, SignedInProvider } from "./signedin";
import { useIdentity, type Watched } from "./watch";

/** How many milliseconds whoever leaves waits for others to be told. */
const patience = 3000;

export function App({ config, initially }: { config: Config; initially: SignedIn | undefined }) {
  const [signedIn, setSignedIn] = useState(initially);
  const [notice, setNotice] = useState<Notice>();

  const enter = useCallback((entered: SignedIn) => {
    setNotice(undefined);
    setSignedIn(entered);
  }, []);
  const leave = useCallback(async ({ issuer }: SignedIn, { said, tell }: Leaving) => {
    issuer.forget();
    setSignedIn(undefined);
    setNotice({ text: said, pending: tell !== undefined });
    if (tell !== undefined) {
      const text = await atMost(patience, tell).then(() => said, () => `${said} ${issuer.lasting}`);
      setNotice({ text, pending: false });
    }
  }, []);

  const { pathname } = usePlace();
  if (signedIn !== undefined) {
    return <Inside signedIn={signedIn} onLeave={leave} />;
  }
  return (
    <>
      <Bar />
      {pages.some(({ path }) => path === pathname) ? (
        <SignIn config={config} notice={notice} onSignIn={enter} />
      ) : (
        <main><Nowhere pathname={pathname} /></main>
      )}
    </>
  );
}

function Inside({ signedIn, onLeave }: { signedIn: SignedIn; onLeave: (left: SignedIn, leaving: Leaving) => Promise<void> }) {
  const { issuer } = signedIn;
  const [failed, setFailed] = useState<ConnectError>();
  const leave = useCallback((leaving: Leaving) => void onLeave(signedIn, leaving), [signedIn, onLeave]);
  const onEnd = useCallback(
    (error: ConnectError) => (error.code === Code.Unauthenticated ? leave(farewell(error, issuer)) : setFailed(error)),
    [leave, issuer],
  );
  const watched = useIdentity(signedIn, onEnd);
  useEffect(() => issuer.watch?.(() => leave({ said: "Your session has ended." })), [leave, issuer]);
  // A browser that takes itself for offline is not always: the calls tell.
  const queries = useMemo(() => new QueryClient({ defaultOptions: { queries: { retry: 1, networkMode: "always", refetchOnReconnect: true } } }), []);

  return (
    <SignedInProvider value={signedIn}>
      <QueryClientProvider client={queries}>
        <Bar watched={watched} onSignOut={() => leave(goodbye(issuer))} />
        <Connection watched={watched} />
        <main id="main">{failed ? <Failure error={failed} retry={() => location.reload()} /> : <Page watched={watched} />}</main>
      </QueryClientProvider>
    </SignedInProvider>
  );
}

function Page({ watched }: { watched: Watched }) {
  const { pathname } = usePlace();
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
        <p className="quiet">There is nothing at <Id>{pathname}</Id>. The address may be mistyped, or from another version of this console.</p>
      </Head>
      <a className="button primary" href="/" onClick={follow("/")}>Go to the first page</a>
    </div>
  );
}
