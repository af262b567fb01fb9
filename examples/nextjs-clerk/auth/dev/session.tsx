"use client";

import { functionSource } from "@ostiary/client";
import { devSource } from "@ostiary/client/dev";
import { sharedSource } from "@ostiary/client/shared";
import { type ReactNode, useMemo } from "react";
import { SessionContext } from "../session";
import { signOut } from "./actions";

/** A session of a persona at the development issuer, or of nobody. */
export function DevSession({ issuer, persona, session, children }: { issuer: string; persona?: string; session?: string; children: ReactNode }) {
  const value = useMemo(
    () => ({
      id: session,
      source:
        persona === undefined || session === undefined
          ? functionSource(async () => null)
          : sharedSource(devSource({ issuer, persona, session }), session),
      signOut,
    }),
    [issuer, persona, session],
  );
  return <SessionContext value={value}>{children}</SessionContext>;
}
