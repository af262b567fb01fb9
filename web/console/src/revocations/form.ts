import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Target, TargetSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import type { Kind } from "./target";

/** What can be revoked here, and which names each takes besides the issuer. */
export const forms = {
  subject: { fields: ["subject"], says: "all tokens of one user or machine, in all sessions" },
  client: { fields: ["clientId"], says: "the tokens of one OAuth client, for all users" },
  token: { fields: ["tokenId"], says: "one token" },
  session: { fields: ["sessionId", "subject"], says: "the tokens of one session" },
  organization: { fields: ["organizationId"], says: "the tokens that act in one organization, of all its members" },
  member: { fields: ["organizationId", "subject"], says: "the tokens of one user that act in one organization" },
  machine: { fields: ["subject"], says: "the tokens of one machine" },
  issuer: { fields: [], says: "everything that the issuer has issued until now" },
} as const satisfies Partial<Record<Kind, { fields: readonly Field[]; says: string }>>;
export type Revocable = keyof typeof forms;
export type Field = "subject" | "clientId" | "tokenId" | "sessionId" | "organizationId";

export const fieldLabels: Record<Field, string> = {
  subject: "Subject (sub)",
  clientId: "Client id",
  tokenId: "Token id (jti)",
  sessionId: "Session id (sid)",
  organizationId: "Organization id",
};

/** Which of a target's tokens are revoked. */
export type Extent = "issued" | "all";

/** What the server revokes where nothing is chosen. Clients and machines have no such default: both are common. */
export function defaultExtent(kind: Revocable): Extent {
  return kind === "session" || kind === "token" ? "all" : "issued";
}

/**
 * Whether the extent can be chosen: a session and a token are revoked as a whole, and of an issuer the tokens to come
 * are not. That would keep out everybody, operators too, and could not be taken back: a server is to trust it no longer.
 */
export function hasExtent(kind: Revocable): boolean {
  return kind !== "session" && kind !== "token" && kind !== "issuer";
}

export type Values = { issuer: string } & Partial<Record<Field, string>>;

/** The target that a form names. */
export function targetOf(kind: Revocable, values: Values): Target {
  const { issuer, subject = "", clientId = "", tokenId = "", sessionId = "", organizationId = "" } = values;
  const init = (target: NonNullable<MessageInitShape<typeof TargetSchema>["target"]>) => create(TargetSchema, { target });
  switch (kind) {
    case "subject":
      return init({ case: "subject", value: { issuer, subject } });
    case "client":
      return init({ case: "client", value: { issuer, clientId } });
    case "token":
      return init({ case: "token", value: { issuer, tokenId } });
    case "session":
      return init({ case: "session", value: { issuer, sessionId, owner: { case: "subject", value: subject } } });
    case "organization":
      return init({ case: "organization", value: { issuer, organizationId } });
    case "member":
      return init({ case: "member", value: { issuer, organizationId, subject } });
    case "machine":
      return init({ case: "machine", value: { issuer, subject } });
    case "issuer":
      return init({ case: "entireIssuer", value: { issuer } });
  }
}
