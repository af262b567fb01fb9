import { ClerkProvider } from "@clerk/nextjs";
import type { ReactNode } from "react";
import { settings } from "@/settings";
import { ClerkSession } from "./clerk/session";
import { readDevSession } from "./dev/cookie";
import { DevSession } from "./dev/session";

/** Makes useSession work: with Clerk if it has a key, otherwise with the development issuer. */
export async function AuthProvider({ children }: { children: ReactNode }) {
  const { publishableKey, devIssuerUrl } = settings();
  if (publishableKey) {
    return (
      <ClerkProvider publishableKey={publishableKey} signInUrl="/sign-in">
        <ClerkSession>{children}</ClerkSession>
      </ClerkProvider>
    );
  }
  return (
    <DevSession issuer={devIssuerUrl} {...await readDevSession()}>
      {children}
    </DevSession>
  );
}
