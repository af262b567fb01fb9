"use client";

import { functionSource } from "@ostiary/client";
import { devSource } from "@ostiary/client/dev";
import { sharedSource } from "@ostiary/client/shared";
import { type ReactNode, useEffect, useMemo } from "react";
import { SessionContext } from "../session";
import { signOut } from "./actions";

/** A session of a persona at the development issuer, or of nobody. */
export function DevSession({ issuer, persona, session, children }: { issuer: string; persona?: string; session?: string; children: ReactNode }) {
  const shared = useMemo(
    () => (persona && session ? sharedSource(devSource({ issuer, persona, session }), session) : undefined),
    [issuer, persona, session],
  );
  useEffect(() => () => shared?.close(), [shared]);
  const value = useMemo(() => ({ id: session, source: shared ?? functionSource(() => null), signOut }), [session, shared]);
  return <SessionContext value={value}>{children}</SessionContext>;
}
