import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, functionSource } from "@ostiary/client";
import { type AccessExplanation, AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { Reason } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import { type Identity, IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { type TokenCheck, TokenCheckOutcome, type TokenService } from "@ostiary/client/gen/ostiary/token/v1/token_pb";
import { readExplanations, readRules } from "../access/read";

/** What the server says of a token. */
export interface Checked {
  accepted: boolean;
  /** Why a call with it is refused, and what was found, for operators. */
  reason?: string | undefined;
  cause?: string | undefined;
  /** Whom the token is for. A token that has expired or is revoked has one only where an operator asks. */
  identity?: Identity | undefined;
  /** What its bearer may call: as if it were accepted, where it is not. */
  explanations: AccessExplanation[];
  /** Why it is refused, as its bearer gets it. */
  refusal?: ConnectError;
  /** Every check, for operators. */
  checks?: TokenCheck[];
  /** Whether the signature holds, where there are checks. */
  verified?: boolean;
}

/** The most methods that a request can name. */
const mostProcedures = 1000;

/** Has the server show every check of a token, which it does for operators. */
export async function explainToken(tokens: Client<typeof TokenService>, access: Client<typeof AccessService>, token: string): Promise<Checked> {
  const rules = await readRules(access, {});
  const procedures = [...new Set(rules.map(({ procedure }) => procedure))].slice(0, mostProcedures);
  const { checks, signatureVerified, identity, explanations } = await tokens.explainToken({ token, procedures });
  const first = checks.find(({ outcome }) => outcome === TokenCheckOutcome.FAILED);
  return {
    accepted: first === undefined,
    reason: first && Reason[first.reason],
    cause: first?.cause,
    identity,
    explanations,
    checks,
    verified: signatureVerified,
  };
}

/** Calls the server of this page, and no other, with a token. */
export async function tryToken(token: string): Promise<Checked> {
  const baseUrl = location.origin;
  const transport = createConnectTransport({
    baseUrl,
    interceptors: [
      authInterceptor(
        functionSource(() => token),
        baseUrl,
      ),
    ],
  });
  try {
    const { identity } = await createClient(IdentityService, transport).whoAmI({});
    const explanations = await readExplanations(createClient(AccessService, transport), {});
    return { accepted: true, identity, explanations };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (error.code === Code.Unauthenticated || error.code === Code.PermissionDenied) {
      return { accepted: false, explanations: [], refusal: error };
    }
    throw error;
  }
}
