import { TokenSourceError } from "@ostiary/client";
import * as oauth from "oauth4webapi";
import { type Issuer, nameOf, quote, redirectURI } from "./issuer";

/** Explains why an issuer has given no token, as an error of the token source. */
export function explainFailure(issuer: Issuer, error: unknown): TokenSourceError {
  if (error instanceof TokenSourceError) {
    return error;
  }
  const { permanent, message } = failureOf(issuer, error);
  return new TokenSourceError(message, { cause: error, permanent });
}

/** The failure of an answer that is another issuer's, or another request's. */
export function foreignAnswer({ issuer }: Issuer): TokenSourceError {
  return new TokenSourceError(`the answer of ${nameOf(issuer)} does not belong to what this window has asked, and was ignored. Sign in again.`, {
    permanent: true,
  });
}

function failureOf(issuer: Issuer, error: unknown): { permanent: boolean; message: string } {
  const name = nameOf(issuer.issuer);
  const { clientId } = issuer;
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const passing = error.error === "temporarily_unavailable" || error.error === "server_error";
    return { permanent: !passing, message: explainCode(issuer, error.error) + quote(error.error_description) };
  }
  // What fetch throws where nothing answers, or the issuer does not let this page read the answer.
  if ((error instanceof TypeError && error.cause === undefined) || (error instanceof DOMException && error.name === "TimeoutError")) {
    return {
      permanent: false,
      message: `${name} cannot be reached from this page. Check that it is running, and that its client ${clientId} allows the web origin ${location.origin}.`,
    };
  }
  if (error instanceof oauth.OperationProcessingError) {
    switch (error.code) {
      case oauth.INVALID_RESPONSE:
        return foreignAnswer(issuer);
      case oauth.JWT_TIMESTAMP_CHECK:
        return { permanent: true, message: `the ID token of ${name} is not valid at this time. Check the clocks of this machine and of the issuer.` };
      default:
        return { permanent: true, message: `the answer of ${name} is not as OpenID Connect has it: ${error.message}.` };
    }
  }
  return { permanent: true, message: `signing in at ${name} has failed: ${error instanceof Error ? error.message : String(error)}.` };
}

/** Explains an error code of RFC 6749 (sections 4.1.2.1 and 5.2), RFC 8707 or OpenID Connect. */
function explainCode(issuer: Issuer, code: string): string {
  const name = nameOf(issuer.issuer);
  const { clientId } = issuer;
  const at = `the client ${clientId} at ${name}`;
  switch (code) {
    case "access_denied":
      return `${name} has not let you in: you have refused, or you may not use this page.`;
    case "login_required":
    case "interaction_required":
    case "account_selection_required":
      return `your session at ${name} has ended, or is not known to this page. Sign in again.`;
    case "consent_required":
      return `${name} wants to ask you before it goes on. Sign in again.`;
    case "invalid_client":
    case "unauthorized_client":
      return `${name} refuses the client ${clientId}. It must be a public client, without a secret, with the authorization code flow and PKCE.`;
    case "invalid_grant":
      return `${name} does not accept the code or the refresh token any more. Sign in again. If that fails again, check that ${at} has the redirect URI ${redirectURI(issuer)}.`;
    case "invalid_scope":
      return `${name} refuses a scope that this page asks for. Check console_scopes of the issuer.`;
    case "invalid_target":
      return `${name} does not know the resource that this page asks for. Check console_resource and console_audience of the issuer.`;
    case "temporarily_unavailable":
    case "server_error":
      return `${name} has failed. Try again.`;
    default:
      return `${name} refuses the sign-in (${quoteCode(code)}). Check ${at}.`;
  }
}

/** Codes have few characters: a text of another form is none. */
function quoteCode(code: string): string {
  return /^\w{1,64}$/.test(code) ? code : "an unknown error";
}
