import type { Metadata } from "next";
import type { ReactNode } from "react";
import { SessionApiProvider } from "@/api/provider";
import { AuthProvider } from "@/auth/provider";
import { settings } from "@/settings";
import { Header } from "./header";
import "./globals.css";

export const metadata: Metadata = { title: "Next.js, Clerk and ostiary" };

// Who is signed in, and what the settings are, is known only when a page is asked for.
export const dynamic = "force-dynamic";

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <AuthProvider>
          <SessionApiProvider baseUrl={settings().apiUrl}>
            <Header />
            <main>{children}</main>
          </SessionApiProvider>
        </AuthProvider>
      </body>
    </html>
  );
}
