"use client";

import Link from "next/link";
import { useSession } from "@/auth/session";

export function Header() {
  const { id, signOut } = useSession();
  return (
    <header>
      <Link href="/">Home</Link>
      <Link href="/account">Account</Link>
      {id === undefined ? <Link href="/sign-in">Sign in</Link> : <button onClick={() => void signOut()}>Sign out</button>}
    </header>
  );
}
