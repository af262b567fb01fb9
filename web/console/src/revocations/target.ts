import type { Target } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { revocationKinds } from "../app/router";

export type Kind = (typeof revocationKinds)[number];

/** What is revoked, in words and in the names that tokens have. */
export interface Named {
  /** "user", "session" and so on. */
  kind: Kind | "grant" | "unknown";
  issuer: string;
  /** The name itself: a subject, a session id and so on. Empty for a whole issuer. */
  name: string;
  /** Whose session it is, or who is the member, if that is said. */
  subject?: string | undefined;
}

/** The kinds of targets, and how each is called. */
export const kinds: Record<Kind, string> = {
  subject: "User",
  session: "Session",
  client: "Client",
  token: "Token",
  organization: "Organization",
  member: "Member",
  machine: "Machine",
  issuer: "Issuer",
};

/** What a target names. A kind of a later version of the server is unknown. */
export function nameOf(target: Target | undefined): Named {
  const of = target?.target;
  switch (of?.case) {
    case "subject":
      return { kind: "subject", issuer: of.value.issuer, name: of.value.subject };
    case "session":
      return {
        kind: "session",
        issuer: of.value.issuer,
        name: of.value.sessionId,
        subject: of.value.owner.case === "subject" ? of.value.owner.value : undefined,
      };
    case "client":
      return { kind: "client", issuer: of.value.issuer, name: of.value.clientId };
    case "token":
      return { kind: "token", issuer: of.value.issuer, name: of.value.tokenId };
    case "organization":
      return { kind: "organization", issuer: of.value.issuer, name: of.value.organizationId };
    case "member":
      return { kind: "member", issuer: of.value.issuer, name: of.value.organizationId, subject: of.value.subject };
    case "machine":
      return { kind: "machine", issuer: of.value.issuer, name: of.value.subject };
    case "entireIssuer":
      return { kind: "issuer", issuer: of.value.issuer, name: "" };
    case "grant":
      return { kind: "grant", issuer: of.value.issuer, name: of.value.clientId, subject: of.value.subject };
    default:
      return { kind: "unknown", issuer: "", name: "" };
  }
}

/** What the name of a kind is called. */
export function labelOf(kind: Named["kind"]): string {
  switch (kind) {
    case "grant":
      return "Grant"; // of a later version of the server: this one revokes none
    case "unknown":
      return "Unknown";
    default:
      return kinds[kind];
  }
}
