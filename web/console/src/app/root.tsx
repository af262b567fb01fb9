import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { freshToken } from "@ostiary/client";
import { QueryClientProvider } from "@tanstack/react-query";
import { Outlet, useMatches } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useWatchedIdentity } from "../auth/identity";
import { type SignedIn, SignedInProvider } from "../auth/signedin";
import { SignIn } from "../auth/signin";
import { givesNoOther, signOutByServer, signOutByUser, waitAfter } from "../auth/signout";
import { Waiting } from "../auth/waiting";
import { Failure } from "../ui/failure";
import { useApp } from "./app";
import { Shell } from "./shell";
import { WatchedProvider } from "./watched";

/** After how many milliseconds a server or an issuer is asked again that did not answer when the wait was over. */
const againAfter = 2000;

/** Every page: the page to sign in on, or the shell with the page that the address names. */
export function Root() {
  const { signedIn } = useApp();
  const unknown = useMatches({ select: (matches) => matches.at(-1)?.routeId === "/$" });
  if (signedIn !== undefined) {
    return <Inside signedIn={signedIn} />;
  }
  return <Shell>{unknown ? <Outlet /> : <SignIn />}</Shell>;
}

function Inside({ signedIn }: { signedIn: SignedIn }) {
  const { signOut } = useApp();
  const { issuerSession } = signedIn;
  const [failed, setFailed] = useState<ConnectError>();
  const [waitUntil, setWaitUntil] = useState<number>();
  const onEnd = useCallback(
    (error: ConnectError) => {
      if (error.code !== Code.Unauthenticated) {
        setFailed(error);
      } else if (waitAfter(error) > 0) {
        setWaitUntil(Date.now() + waitAfter(error));
      } else {
        signOut(signedIn, signOutByServer(error, issuerSession));
      }
    },
    [signOut, signedIn, issuerSession],
  );
  const goOn = useCallback(async () => {
    try {
      await signedIn.identity.whoAmI({}, { contextValues: createContextValues().set(freshToken, true) }); // one that was issued since
      signedIn.queries.clear();
      setWaitUntil(undefined);
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      if (error.code === Code.Unauthenticated) {
        onEnd(error);
      } else if (givesNoOther(error)) {
        signOut(signedIn, signOutByServer(error, issuerSession));
      } else {
        setWaitUntil(Date.now() + againAfter);
      }
    }
  }, [onEnd, signOut, signedIn, issuerSession]);
  useEffect(() => issuerSession.watch?.(() => signOut(signedIn, { message: "Your session has ended." })), [signOut, signedIn, issuerSession]);
  const context = useMemo(() => ({ signedIn, onEnd }), [signedIn, onEnd]);
  if (waitUntil !== undefined) {
    return (
      <Shell>
        <Waiting until={waitUntil} onOver={goOn} onSignOut={() => signOut(signedIn, signOutByUser(issuerSession))} />
      </Shell>
    );
  }
  return (
    <SignedInProvider value={context}>
      <QueryClientProvider client={signedIn.queries}>
        <Watching onSignOut={() => signOut(signedIn, signOutByUser(issuerSession))}>
          {failed ? <Failure error={failed} retry={() => location.reload()} /> : <Outlet />}
        </Watching>
      </QueryClientProvider>
    </SignedInProvider>
  );
}

function Watching({ onSignOut, children }: { onSignOut: () => void; children: React.ReactNode }) {
  const watched = useWatchedIdentity();
  return (
    <WatchedProvider value={watched}>
      <Shell watched={watched} onSignOut={onSignOut}>
        {children}
      </Shell>
    </WatchedProvider>
  );
}
