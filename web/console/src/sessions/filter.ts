import { type Session, SessionOrder, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import type { sessionGroups, sessionOrders, sessionStates } from "../app/router";
import { stateOf, subjectOf } from "./names";

export type Order = (typeof sessionOrders)[number];
export type Grouping = (typeof sessionGroups)[number];

/** Which sessions to show, and in which order: the search parameters of the page. */
export interface Filter {
  /** What the subject, the id or the organization of the session begins with. */
  q?: string | undefined;
  state?: (typeof sessionStates)[number] | undefined;
  issuer?: string | undefined;
  subject?: string | undefined;
  organization?: string | undefined;
  /** The service that has seen it: `ownService` is the server itself. */
  service?: string | undefined;
  /** Default: the newest first. It does not count where the sessions are grouped. */
  order?: Order | undefined;
  /** The sessions of one subject stand together. Default: those of each stand alone. */
  group?: Grouping | undefined;
}

/** Stands for ostiary's own servers, as in the command line. */
export const ownService = "ostiary";

const states = { active: SessionState.ACTIVE, expired: SessionState.EXPIRED, ended: SessionState.REVOKED };
const orders = { oldest: SessionOrder.FIRST_SEEN_ASC, "last-seen": SessionOrder.LAST_SEEN_DESC, subject: SessionOrder.SUBJECT };

/** Whether anything is left out. */
export function isFiltered(filter: Filter): boolean {
  return (["q", "state", "issuer", "subject", "organization", "service"] as const).some((name) => filter[name] !== undefined);
}

/** What a list of these sessions is requested with. */
export function requestOf({ q, state, service, ...filter }: Filter) {
  const order = orderOf(filter);
  return {
    filter: {
      ...watchFilter(filter),
      ...(q === undefined ? {} : { query: q }),
      ...(state === undefined ? {} : { states: [states[state]] }),
      ...(service === undefined ? {} : { service: nameOf(service) }),
    },
    ...(order === undefined ? {} : { order: orders[order] }),
  };
}

/** The order of the sessions; undefined for the newest first. */
export function orderOf({ order, group }: Filter): Order | Grouping | undefined {
  return group ?? order;
}

/** The part of a filter that a stream has as well. */
export function watchFilter({ issuer, subject, organization }: Filter) {
  return {
    ...(issuer === undefined ? {} : { issuer }),
    ...(subject === undefined ? {} : { subject }),
    ...(organization === undefined ? {} : { organizationId: organization }),
  };
}

/** Whether a session that a stream has brought matches the other part, as the server says of those that it lists. */
export function matches(session: Session, { q = "", state, service }: Filter): boolean {
  const names = [session.session?.sessionId ?? "", subjectOf(session.session), session.organizationId];
  return (
    names.some((name) => name.startsWith(q)) &&
    (state === undefined || stateOf(session).name === state) &&
    (service === undefined || session.sightings.some((sighting) => sighting.service === nameOf(service)))
  );
}

function nameOf(service: string): string {
  return service === ownService ? "" : service;
}
