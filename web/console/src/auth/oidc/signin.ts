import * as oauth from "oauth4webapi";
import type { Config } from "../../app/config";
import { sentence } from "../../ui/text";
import { SignedIn } from "../signedin";
import { explainFailure } from "./errors";
import { newRequest, redeem } from "./flow";
import { type Issuer, isAnswerOf, nameOf, redirectURI, type SignInConfig } from "./issuer";
import { type Arrival, pathWithin, rememberedIssuer, setPending } from "./pending";
import { OidcSource } from "./source";

/** What has become of coming to the page: who is signed in, or why nobody is. */
export interface Arrived {
  signedIn?: SignedIn;
  /** Where in the page the user was. */
  returnTo?: string;
  notice?: string;
}

/** Whether an issuer can be signed in at now. */
export function isOffered(issuer: SignInConfig): issuer is Issuer {
  return issuer.metadata !== undefined;
}

/** Sends the browser to the issuer. It comes back to the callback. */
export async function goToIssuer(issuer: Issuer, { silent = false } = {}): Promise<void> {
  if (!isSecureContext) {
    throw new Error(`this page has come over plain HTTP, where browsers have no cryptography for signing in. Serve ${location.host} over https`);
  }
  const { url, ...request } = await newRequest(issuer, { silent });
  const returnTo = location.pathname + location.search + location.hash;
  setPending({ what: "signIn", issuer: issuer.issuer, ...request, returnTo, silent });
  if (silent) {
    location.replace(url);
  } else {
    location.assign(url);
  }
}

/** Goes on with the answer of an issuer. */
export async function arrive(config: Config, { answer, asked }: Arrival): Promise<Arrived> {
  if (asked === undefined) {
    return {
      notice: "Nobody is signed in: what was opened is an answer to a sign-in that this window has not begun, or has finished already. It was ignored.",
    };
  }
  const name = nameOf(asked.issuer);
  const issuer = config.signIns?.find((known) => known.issuer === asked.issuer);
  if (asked.what === "signOut") {
    return { notice: signedOutBy(name, issuer, answer, asked.state) };
  }
  const returnTo = pathWithin(asked.returnTo);
  if (issuer === undefined || !isOffered(issuer)) {
    return { returnTo, notice: `This server does not offer to sign in at ${name} any more.` };
  }
  if (answer === undefined) {
    const redirect = `it must have ${redirectURI(issuer)} as a redirect URI of the client ${issuer.clientId}`;
    return { returnTo, notice: `You have come back from ${name} without its answer. If it shows an error about the redirect URI, ${redirect}.` };
  }
  try {
    const signedIn = signedInAt(issuer, new OidcSource(issuer, await redeem(issuer, asked, answer)));
    rememberedIssuer.set(issuer.issuer);
    return { signedIn, returnTo };
  } catch (error) {
    rememberedIssuer.clear();
    return { returnTo, notice: sentence(explainFailure(issuer, error).message) };
  }
}

/** Goes back to the issuer at which the window had signed in before the page was loaded again; false where there is none. */
export async function resume(config: Config): Promise<boolean> {
  const remembered = rememberedIssuer.get();
  rememberedIssuer.clear(); // an issuer that does not answer is not asked again and again
  const issuer = config.signIns?.filter(isOffered).find((offered) => offered.issuer === remembered);
  if (issuer === undefined || !isSecureContext) {
    return false;
  }
  await goToIssuer(issuer, { silent: true });
  return true;
}

function signedInAt(issuer: Issuer, source: OidcSource): SignedIn {
  const name = nameOf(issuer.issuer);
  const { end_session_endpoint: endpoint } = issuer.metadata;
  return new SignedIn(source, {
    at: name,
    forget: () => {
      rememberedIssuer.clear();
      source.forget();
    },
    ...(endpoint === undefined ? {} : { end: () => signOutAt(issuer, endpoint, source.idToken) }),
    goesOn: endpoint === undefined ? `Your session at ${name} goes on.` : `${name} has not answered: your session there may go on.`,
  });
}

/** Sends the browser to the issuer to sign out (RP-Initiated Logout 1.0). It comes back to the callback. */
function signOutAt(issuer: Issuer, endpoint: string, idToken: string | undefined): Promise<void> {
  const state = oauth.generateRandomState();
  const url = new URL(endpoint);
  url.searchParams.set("client_id", issuer.clientId);
  url.searchParams.set("post_logout_redirect_uri", redirectURI(issuer));
  url.searchParams.set("state", state);
  if (issuer.hint && idToken !== undefined) {
    url.searchParams.set("id_token_hint", idToken);
  }
  setPending({ what: "signOut", issuer: issuer.issuer, state });
  location.assign(url);
  return new Promise((resolve) => addEventListener("pagehide", () => resolve(), { once: true }));
}

function signedOutBy(name: string, issuer: SignInConfig | undefined, answer: URL | undefined, state: string): string {
  if (issuer !== undefined && answer !== undefined && isAnswerOf(issuer, answer) && answer.searchParams.get("state") === state) {
    return "You have signed out.";
  }
  const unknown = `You have signed out here. ${name} has not said whether your session there has ended.`;
  return issuer === undefined ? unknown : `${unknown} If it shows an error, it must have ${redirectURI(issuer)} as a post-logout redirect URI.`;
}
