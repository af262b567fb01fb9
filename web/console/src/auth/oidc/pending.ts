import * as v from "valibot";

/** What the paths begin with that issuers send the browser back to, each to its own. The server serves the page there, and in a frame nothing. */
export const callbacks = "/console/callback/";

/** What this window has asked an issuer, and is waiting for the answer of. */
const pending = v.variant("what", [
  v.object({
    what: v.literal("signIn"),
    issuer: v.string(),
    state: v.string(),
    nonce: v.string(),
    verifier: v.string(),
    /** Where in the page the user was: path, search and hash. */
    returnTo: v.string(),
    /** The issuer was asked to show nothing: the user had signed in before. */
    silent: v.boolean(),
  }),
  v.object({ what: v.literal("signOut"), issuer: v.string(), state: v.string() }),
]);

export type Pending = v.InferOutput<typeof pending>;

const pendingKey = "ostiary.pending";
const issuerKey = "ostiary.issuer";

/** Keeps what is asked, in this window alone, while the browser is at the issuer. */
export function setPending(asked: Pending): void {
  sessionStorage.setItem(pendingKey, JSON.stringify(asked));
}

function takePending(): Pending | undefined {
  const stored = v.safeParse(v.pipe(v.string(), v.parseJson(), pending), sessionStorage.getItem(pendingKey));
  sessionStorage.removeItem(pendingKey);
  return stored.success ? stored.output : undefined;
}

/** The issuer at which this window has signed in, which is asked again when the page is loaded again. No token is stored. */
export const rememberedIssuer = {
  get: () => sessionStorage.getItem(issuerKey) ?? undefined,
  set: (issuer: string) => sessionStorage.setItem(issuerKey, issuer),
  clear: () => sessionStorage.removeItem(issuerKey),
};

/** How the browser has come to the page: with the answer of an issuer, after asking one, or both. */
export interface Arrival {
  /** The answer, where the browser was sent back with one. */
  answer: URL | undefined;
  asked: Pending | undefined;
}

/** Takes what an issuer has answered out of the address and the history, and forgets what was asked: neither counts twice. */
export function takeArrival(): Arrival {
  const asked = takePending();
  if (!location.pathname.startsWith(callbacks)) {
    return { answer: undefined, asked };
  }
  const answer = new URL(location.href);
  history.replaceState(null, "", "/");
  return { answer, asked };
}

/** A path of this page, from what was stored of it: never another page's address, and no callback. */
export function pathWithin(stored: string): string {
  const url = URL.canParse(stored, location.origin) ? new URL(stored, location.origin) : undefined;
  const within = url?.origin === location.origin && stored.startsWith("/") && !url.pathname.startsWith(callbacks);
  return within ? url.pathname + url.search + url.hash : "/";
}
