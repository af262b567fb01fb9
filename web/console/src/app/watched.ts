import { createContext, useContext } from "react";
import type { Watched } from "../auth/identity";

const context = createContext<Watched | undefined>(undefined);
export const WatchedProvider = context.Provider;

/** The caller's identity, and how the stream is doing that brings it. */
export function useWatched(): Watched {
  const value = useContext(context);
  if (value === undefined) {
    throw new Error("useWatched is used outside of WatchedProvider");
  }
  return value;
}
