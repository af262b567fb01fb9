import type { ReactNode } from "react";

interface Page {
  to: "/" | "/sessions" | "/decisions" | "/revocations" | "/health" | "/access" | "/token" | "/try";
  name: string;
  /** Goes to the page when it is typed after g. */
  key: string;
  /** What the page is for. */
  about: string;
  /** The page is shown only to callers who may call this method. */
  needs?: string;
  icon: ReactNode;
}

/** The pages, in the order of the navigation. */
export const pages: Page[] = [
  { to: "/sessions", name: "Sessions", key: "s", about: "Who is signed in, and where", icon: <path d="M4 5h16v11H4zM9 20h6M12 16v4" /> },
  {
    to: "/decisions",
    name: "Decisions",
    key: "d",
    about: "Which calls are admitted and refused, live",
    needs: "/ostiary.decision.v1.DecisionService/WatchDecisions",
    icon: <path d="M3 12h4l3-8 4 16 3-8h4" />,
  },
  {
    to: "/revocations",
    name: "Revocations",
    key: "r",
    about: "What is revoked, by whom and why",
    needs: "/ostiary.revocation.v1.RevocationService/ListRevocations",
    icon: <path d="M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.6 5.6l12.8 12.8" />,
  },
  {
    to: "/health",
    name: "Health",
    key: "h",
    about: "What is wrong with the server, and what to do about it",
    needs: "/ostiary.status.v1.StatusService/GetStatus",
    icon: <path d="M12 20s-7-4.4-9-9a4.8 4.8 0 0 1 9-4 4.8 4.8 0 0 1 9 4c-2 4.6-9 9-9 9z" />,
  },
  { to: "/access", name: "Access", key: "a", about: "Which methods you may call", icon: <path d="M6 11V8a6 6 0 0 1 12 0v3M5 11h14v9H5z" /> },
  { to: "/token", name: "Token", key: "t", about: "What a token says", icon: <path d="M14 10a4 4 0 1 0-3.5 4H13v3h3v3h4v-3l-6-6zM9 9.5v1" /> },
  { to: "/try", name: "Try", key: "y", about: "Call a method", icon: <path d="M6 4l13 8-13 8z" /> },
  { to: "/", name: "Me", key: "m", about: "Who the server takes you for", icon: <path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20a8 8 0 0 1 16 0" /> },
];
