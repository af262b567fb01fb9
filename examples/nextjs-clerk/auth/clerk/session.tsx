"use client";

import { useAuth } from "@clerk/nextjs";
import { functionSource } from "@ostiary/client";
import { type ReactNode, useMemo } from "react";
import { SessionContext } from "../session";

export function ClerkSession({ children }: { children: ReactNode }) {
  const { sessionId, getToken, signOut } = useAuth();
  const session = useMemo(
    () => ({
      id: sessionId ?? undefined,
      source: functionSource(({ fresh = false }) => getToken({ skipCache: fresh })),
      signOut: () => signOut({ redirectUrl: "/sign-in" }),
    }),
    [sessionId, getToken, signOut],
  );
  return <SessionContext value={session}>{children}</SessionContext>;
}
