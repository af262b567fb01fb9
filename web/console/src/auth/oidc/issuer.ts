import * as v from "valibot";
import { sentence, showHidden } from "../../ui/text";
import { callbacks } from "./pending";

const endpoint = v.pipe(v.string(), v.url());

/** An issuer at which users can sign in, as the server tells: the metadata are those that the issuer has published. */
const signIn = v.object({
  issuer: v.string(),
  clientId: v.string(),
  callback: v.pipe(v.string(), v.startsWith(callbacks)),
  scopes: v.array(v.string()),
  audience: v.optional(v.string()),
  resource: v.optional(v.string()),
  hint: v.boolean(),
  metadata: v.optional(
    v.object({
      issuer: v.string(),
      authorization_endpoint: endpoint,
      token_endpoint: endpoint,
      end_session_endpoint: v.exactOptional(endpoint),
      revocation_endpoint: v.exactOptional(endpoint),
      id_token_signing_alg_values_supported: v.exactOptional(v.array(v.string())),
      authorization_response_iss_parameter_supported: v.exactOptional(v.boolean()),
    }),
  ),
  problem: v.optional(v.string()),
});

export const signInSchema = v.pipe(
  signIn,
  v.check(({ issuer, metadata }) => metadata === undefined || metadata.issuer === issuer, "the metadata are those of another issuer"),
);

export type SignInConfig = v.InferOutput<typeof signInSchema>;

/** One that users can sign in at now. */
export type Issuer = SignInConfig & { metadata: NonNullable<SignInConfig["metadata"]> };

/** The address that an issuer sends the browser back to, which it must have as a redirect URI: its own, so that an answer shows whose it is (RFC 9700, section 4.4.2.2). */
export function redirectURI({ callback }: SignInConfig): string {
  return location.origin + callback;
}

/** Whether a browser has come back to the page from an issuer, and not from another. */
export function isAnswerOf({ callback }: SignInConfig, answer: URL): boolean {
  return answer.origin === location.origin && answer.pathname === callback;
}

/** The name of an issuer: its URL without what all have. */
export function nameOf(issuer: string): string {
  return issuer.replace(/^https?:\/\//, "").replace(/\/$/, "");
}

/** What an issuer says itself, which may be any text: a part of it, in quotation marks that it cannot end. */
export function quote(text: string | undefined): string {
  const shown = showHidden((text ?? "").replaceAll(/\s+/g, " ").replaceAll(/[“”]/g, '"').trim());
  return shown === "" ? "" : ` It says: “${sentence(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown)}”`;
}
