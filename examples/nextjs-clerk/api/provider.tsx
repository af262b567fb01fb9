"use client";

import { ApiProvider } from "@ostiary/client/react";
import type { ReactNode } from "react";
import { useSession } from "@/auth/session";

/** Makes useApiClient work, with the session's tokens. */
export function SessionApiProvider({ baseUrl, children }: { baseUrl: string; children: ReactNode }) {
  return (
    <ApiProvider baseUrl={baseUrl} source={useSession().source}>
      {children}
    </ApiProvider>
  );
}
