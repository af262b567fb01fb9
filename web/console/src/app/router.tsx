import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import * as v from "valibot";
import { Failure, Loading } from "../ui/failure";
import { lazyPage, PageNotLoaded } from "./lazy";
import { NotFound } from "./notfound";
import { Root } from "./root";

/** A search parameter. An empty one, or one of another type, counts as not given. */
const text = v.fallback(v.optional(v.pipe(v.string(), v.minLength(1))), undefined);

function oneOf<const T extends readonly string[]>(values: T) {
  return v.fallback(v.optional(v.picklist(values)), undefined);
}

export const sessionStates = ["active", "expired", "ended"] as const;
export const sessionOrders = ["oldest", "last-seen"] as const;
export const sessionGroups = ["subject"] as const;
export const revocationKinds = ["subject", "session", "client", "token", "organization", "member", "machine", "issuer"] as const;
export const decisionOutcomes = ["admitted", "refused", "ended"] as const;

const root = createRootRoute({ component: Root });

const me = createRoute({ getParentRoute: () => root, path: "/", component: lazyPage(() => import("../me/page"), "Me") });

const sessions = createRoute({
  getParentRoute: () => root,
  path: "/sessions",
  validateSearch: v.object({
    q: text,
    state: oneOf(sessionStates),
    issuer: text,
    subject: text,
    organization: text,
    service: text,
    order: oneOf(sessionOrders),
    group: oneOf(sessionGroups),
    selected: text,
  }),
  component: lazyPage(() => import("../sessions/page"), "Sessions"),
});

const decisions = createRoute({
  getParentRoute: () => root,
  path: "/decisions",
  validateSearch: v.object({ outcome: oneOf(decisionOutcomes), reason: text, subject: text, request: text, trace: text, procedure: text, service: text }),
  component: lazyPage(() => import("../decisions/page"), "Decisions"),
});

const revocations = createRoute({
  getParentRoute: () => root,
  path: "/revocations",
  validateSearch: v.object({ q: text, kind: oneOf(revocationKinds), issuer: text, by: text, selected: text }),
  component: lazyPage(() => import("../revocations/page"), "Revocations"),
});

const access = createRoute({
  getParentRoute: () => root,
  path: "/access",
  validateSearch: v.object({ q: text, show: oneOf(["missing"]), as: oneOf(["personas"]) }),
  component: lazyPage(() => import("../access/page"), "Access"),
});

const health = createRoute({ getParentRoute: () => root, path: "/health", component: lazyPage(() => import("../health/page"), "Health") });

const token = createRoute({
  getParentRoute: () => root,
  path: "/token",
  validateSearch: v.object({ method: text, reason: text }),
  component: lazyPage(() => import("../token/page"), "Token"),
});

const tryIt = createRoute({
  getParentRoute: () => root,
  path: "/try",
  validateSearch: v.object({ backend: text, method: text }),
  component: lazyPage(() => import("../try/page"), "Try"),
});

const anythingElse = createRoute({ getParentRoute: () => root, path: "$", component: NotFound });

export const router = createRouter({
  routeTree: root.addChildren([me, sessions, decisions, revocations, health, access, token, tryIt, anythingElse]),
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  // A script that could not be loaded is loaded again by another document alone.
  defaultErrorComponent: ({ error, reset }) => <Failure error={error} retry={error instanceof PageNotLoaded ? () => location.reload() : reset} />,
  // Values are texts: by default the router would read `q=1` as a number.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    return given.length === 0 ? "" : `?${new URLSearchParams(given as [string, string][])}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
