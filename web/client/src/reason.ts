import { BinaryReader } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";

/** Why a call can be refused, as docs/troubleshooting.md explains each. */
export const reasons = [
  "TOKEN_MISSING",
  "CREDENTIALS_AMBIGUOUS",
  "TOKEN_MALFORMED",
  "TOKEN_TOO_LARGE",
  "TOKEN_KIND_UNSUPPORTED",
  "ALGORITHM_NOT_ALLOWED",
  "KEY_UNKNOWN",
  "SIGNATURE_INVALID",
  "TOKEN_EXPIRED",
  "TOKEN_NOT_YET_VALID",
  "TOKEN_LIFETIME_TOO_LONG",
  "ISSUER_UNTRUSTED",
  "AUDIENCE_MISMATCH",
  "AUTHORIZED_PARTY_MISMATCH",
  "CLAIM_MISSING",
  "CLAIM_INVALID",
  "TOKEN_BINDING_UNCHECKED",
  "TOKEN_REVOKED",
  "SESSION_PENDING",
  "KIND_NOT_ALLOWED",
  "ORGANIZATION_REQUIRED",
  "ROLE_REQUIRED",
  "PERMISSION_REQUIRED",
  "SCOPE_REQUIRED",
  "FEATURE_REQUIRED",
  "REVERIFICATION_REQUIRED",
  "CONDITION_NOT_MET",
  "KEYS_UNAVAILABLE",
  "REVOCATIONS_STALE",
  "AUTH_FAILURE",
] as const;

/** One of {@link reasons}. */
export type Reason = (typeof reasons)[number];

/** Tells whether a text is the name of a reason. */
export function isReason(text: string): text is Reason {
  return (reasons as readonly string[]).includes(text);
}

/**
 * Returns why a call was refused; undefined where the error is no refusal, or
 * one for a reason that this version does not know.
 */
export function authReason(error: unknown): Reason | undefined {
  if (!(error instanceof ConnectError)) {
    return undefined;
  }
  for (const detail of error.details) {
    if ("desc" in detail || detail.type !== "google.rpc.ErrorInfo") {
      continue;
    }
    const info = readErrorInfo(detail.value);
    if (info.domain === "ostiary" && isReason(info.reason)) {
      return info.reason;
    }
  }
  return undefined;
}

/** Reads the two fields that matter, so that no schema has to be carried along. */
function readErrorInfo(bytes: Uint8Array): { reason: string; domain: string } {
  const info = { reason: "", domain: "" };
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) {
        info.reason = reader.string();
      } else if (field === 2) {
        info.domain = reader.string();
      } else {
        reader.skip(type, field);
      }
    }
  } catch {
    return { reason: "", domain: "" }; // no ErrorInfo, whatever it says it is
  }
  return info;
}
