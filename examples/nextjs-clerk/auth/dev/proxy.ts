import { type NextRequest, NextResponse } from "next/server";

/** Sends those who are not signed in from pages that are not public to the page where they can. */
export function devProxy(isPublic: (request: NextRequest) => boolean) {
  return (request: NextRequest) =>
    isPublic(request) || request.cookies.has("dev-session") ? NextResponse.next() : NextResponse.redirect(new URL("/sign-in", request.url));
}
