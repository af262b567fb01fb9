"use client";

import { useAuth, useClerk } from "@clerk/nextjs";
import { clerkSource } from "@ostiary/client";
import { type ReactNode, useMemo } from "react";
import { SessionContext } from "../session";

export function ClerkSession({ children }: { children: ReactNode }) {
  const clerk = useClerk();
  const { sessionId, signOut } = useAuth();
  const session = useMemo(
    () => ({
      id: sessionId ?? undefined,
      source: clerkSource(clerk),
      signOut: () => signOut({ redirectUrl: "/sign-in" }),
    }),
    [sessionId, clerk, signOut],
  );
  return <SessionContext value={session}>{children}</SessionContext>;
}
