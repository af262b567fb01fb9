"use client";

import type { TokenSource } from "@ostiary/client";
import { createContext, useContext } from "react";

/** Who is signed in, as the pages see it: the same with Clerk and with the development issuer. */
export interface Session {
  /** The id of the session; undefined when nobody is signed in. */
  id: string | undefined;
  /** Gives the session's tokens. */
  source: TokenSource;
  signOut(): Promise<void>;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) {
    throw new Error("useSession needs an AuthProvider around it");
  }
  return session;
}
