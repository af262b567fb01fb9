import { RouterProvider } from "@tanstack/react-router";
import { createContext, useCallback, useContext, useMemo, useState } from "react";
import type { SignedIn } from "../auth/signedin";
import { type Notice, type SignOut, withTimeout } from "../auth/signout";
import type { Config } from "./config";
import { ErrorBoundary } from "./errorboundary";
import { router } from "./router";

/** How many milliseconds the issuer has to answer to a sign-out. */
const signOutTimeout = 3000;

interface AppState {
  config: Config;
  signedIn: SignedIn | undefined;
  /** Why nobody is signed in any more. */
  notice: Notice | undefined;
  signIn: (signedIn: SignedIn) => void;
  signOut: (signedIn: SignedIn, how: SignOut) => void;
}

const context = createContext<AppState | undefined>(undefined);

export function useApp(): AppState {
  const value = useContext(context);
  if (value === undefined) {
    throw new Error("useApp is used outside of App");
  }
  return value;
}

interface Props {
  config: Config;
  /** Who is signed in as the page is loaded. */
  initially: SignedIn | undefined;
  /** Why nobody is. */
  why?: string | undefined;
}

export function App({ config, initially, why }: Props) {
  const [signedIn, setSignedIn] = useState(initially);
  const [notice, setNotice] = useState<Notice | undefined>(why === undefined ? undefined : { text: why, pending: false });
  const signIn = useCallback((entered: SignedIn) => {
    setNotice(undefined);
    setSignedIn(entered);
  }, []);
  const signOut = useCallback(async ({ issuerSession, queries }: SignedIn, { message, tell, goesOnAt }: SignOut) => {
    issuerSession.forget();
    setSignedIn(undefined);
    queries.clear();
    setNotice({ text: message, pending: tell !== undefined, goesOnAt });
    if (tell !== undefined) {
      const text = await withTimeout(signOutTimeout, tell).then(
        () => message,
        () => `${message} ${issuerSession.goesOn}`,
      );
      setNotice({ text, pending: false });
    }
  }, []);
  const state = useMemo(() => ({ config, signedIn, notice, signIn, signOut }), [config, signedIn, notice, signIn, signOut]);
  return (
    <ErrorBoundary>
      <context.Provider value={state}>
        <RouterProvider router={router} />
      </context.Provider>
    </ErrorBoundary>
  );
}
