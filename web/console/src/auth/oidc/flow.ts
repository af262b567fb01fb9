import { readClaims, TokenSourceError } from "@ostiary/client";
import * as oauth from "oauth4webapi";
import { clockAhead } from "../../api/clock";
import { foreignAnswer } from "./errors";
import { type Issuer, isAnswerOf, nameOf, redirectURI } from "./issuer";

/** How many milliseconds an issuer has to answer. */
const answerTimeout = 10_000;

/** How many seconds the issuer's clock may be off the server's. */
const clockTolerance = 30;

/** What an issuer has given out. */
export interface Grant {
  accessToken: string;
  /** For how many milliseconds the access token is good, from when it came. */
  lifetime: number;
  refreshToken: string | undefined;
  /** Missing where a refresh token was used and the issuer has sent no other. */
  idToken: string | undefined;
  subject: string | undefined;
}

/** A request to sign in: where the browser is to go, and what the answer is checked with. */
export interface Request {
  url: URL;
  state: string;
  nonce: string;
  verifier: string;
}

/** Makes a request to sign in (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636). A silent one shows the user nothing. */
export async function newRequest(issuer: Issuer, { silent }: { silent: boolean }): Promise<Request> {
  const [state, nonce, verifier] = [oauth.generateRandomState(), oauth.generateRandomNonce(), oauth.generateRandomCodeVerifier()];
  const url = new URL(issuer.metadata.authorization_endpoint);
  const parameters = {
    client_id: issuer.clientId,
    redirect_uri: redirectURI(issuer),
    response_type: "code",
    scope: issuer.scopes.join(" "),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...(silent ? { prompt: "none" } : {}),
    ...(issuer.audience === undefined ? {} : { audience: issuer.audience }),
    ...resource(issuer),
  };
  for (const [name, value] of Object.entries(parameters)) {
    url.searchParams.set(name, value);
  }
  return { url, state, nonce, verifier };
}

/** Checks the answer to a request, and that it is the issuer's (also by RFC 9207, where the issuer has that), and has the issuer give out the tokens. */
export async function redeem(issuer: Issuer, { state, nonce, verifier }: Omit<Request, "url">, answer: URL): Promise<Grant> {
  if (!isAnswerOf(issuer, answer)) {
    throw foreignAnswer(issuer);
  }
  const client = clientOf(issuer);
  const checked = oauth.validateAuthResponse(issuer.metadata, client, answer, state);
  const response = await oauth.authorizationCodeGrantRequest(issuer.metadata, client, oauth.None(), checked, redirectURI(issuer), verifier, options(issuer));
  return grantOf(issuer, await oauth.processAuthorizationCodeResponse(issuer.metadata, client, response, { expectedNonce: nonce, requireIdToken: true }));
}

/** Has the issuer give out new tokens for a refresh token. */
export async function refresh(issuer: Issuer, refreshToken: string): Promise<Grant> {
  const client = clientOf(issuer);
  const response = await oauth.refreshTokenGrantRequest(issuer.metadata, client, oauth.None(), refreshToken, options(issuer));
  return grantOf(issuer, await oauth.processRefreshTokenResponse(issuer.metadata, client, response));
}

/** Revokes a refresh token (RFC 7009), also while the browser leaves the page. */
export async function revoke(issuer: Issuer, refreshToken: string): Promise<void> {
  if (issuer.metadata.revocation_endpoint !== undefined) {
    const keepalive = (url: string, init: RequestInit) => fetch(url, { ...init, keepalive: true });
    const given = { ...options(issuer), [oauth.customFetch]: keepalive as typeof fetch };
    await oauth.revocationRequest(issuer.metadata, clientOf(issuer), oauth.None(), refreshToken, given);
  }
}

function clientOf({ clientId }: Issuer): oauth.Client {
  return { client_id: clientId, [oauth.clockSkew]: Math.round(clockAhead() / 1000), [oauth.clockTolerance]: clockTolerance };
}

function options(issuer: Issuer) {
  return {
    signal: AbortSignal.timeout(answerTimeout),
    // The server has seen to it that an issuer on http is on loopback.
    [oauth.allowInsecureRequests]: issuer.metadata.issuer.startsWith("http:"),
    additionalParameters: resource(issuer),
  };
}

function resource(issuer: Issuer): { resource?: string } {
  return issuer.resource === undefined ? {} : { resource: issuer.resource };
}

function grantOf({ issuer }: Issuer, tokens: oauth.TokenEndpointResponse): Grant {
  const { iat, exp } = readClaims(tokens.access_token) ?? {};
  if (exp === undefined) {
    throw new TokenSourceError(
      `${nameOf(issuer)} has given an access token that is not a JWT, which no server can verify by itself. Set console_audience or console_resource of the issuer to its name for this server.`,
      { permanent: true },
    );
  }
  const seconds = tokens.expires_in ?? exp - (iat ?? clockAhead() / 1000 + Date.now() / 1000);
  return {
    accessToken: tokens.access_token,
    lifetime: seconds * 1000,
    refreshToken: tokens.refresh_token,
    idToken: tokens.id_token,
    subject: oauth.getValidatedIdTokenClaims(tokens)?.sub,
  };
}
