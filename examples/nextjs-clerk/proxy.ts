import { clerkMiddleware } from "@clerk/nextjs/server";
import type { NextRequest } from "next/server";
import { devProxy } from "@/auth/dev/proxy";

// Every other page is for those who are signed in.
const isPublic = (request: NextRequest) => /^\/(sign-in(\/.*)?)?$/.test(request.nextUrl.pathname);

const publishableKey = process.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY;

const clerkProxy = clerkMiddleware(
  async (auth, request) => {
    if (!isPublic(request)) {
      await auth.protect();
    }
  },
  { publishableKey, signInUrl: "/sign-in" },
);

export default publishableKey ? clerkProxy : devProxy(isPublic);

export const config = {
  matcher: ["/((?!_next/|.*\\.[a-z]+$).*)"], // not what pages are made of
};
