import { type ClerkLike, clerkSource } from "@ostiary/client";
import type { Config } from "../app/config";
import { router } from "../app/router";
import { SignedIn } from "./signedin";

type Session = NonNullable<ClerkLike["session"]> & { readonly id: string };

/** What this page uses of Clerk. */
export interface Clerk extends ClerkLike {
  readonly session?: Session | null | undefined;
  readonly client?: { readonly lastActiveSessionId: string | null } | undefined;
  load(options: { ui: { ClerkUI: unknown }; telemetry: false; routerPush: (to: string) => unknown; routerReplace: (to: string) => unknown }): Promise<void>;
  mountSignIn(element: HTMLDivElement, options: { routing: "hash"; fallbackRedirectUrl: string; signUpFallbackRedirectUrl: string }): void;
  unmountSignIn(element: HTMLDivElement): void;
  addListener(listener: (now: { session?: Session | null | undefined }) => void): () => void;
  signOut(callback: () => void, options: { sessionId: string }): Promise<void>;
}

declare global {
  interface Window {
    Clerk?: Clerk;
    __internal_ClerkUICtor?: unknown;
  }
}

let loading: Promise<Clerk> | undefined;

/** Loads Clerk's own code from where Clerk serves it, once, and only when asked to. */
export function loadClerk({ publishableKey, frontendApi }: NonNullable<Config["clerk"]>): Promise<Clerk> {
  loading ??= (async () => {
    const packages = `${frontendApi}/npm/@clerk`;
    await addScript(`${packages}/ui@1/dist/ui.browser.js`);
    await addScript(`${packages}/clerk-js@6/dist/clerk.browser.js`, publishableKey);
    if (window.Clerk === undefined) {
      throw new Error("Clerk's script has made no Clerk");
    }
    await window.Clerk.load({
      ui: { ClerkUI: window.__internal_ClerkUICtor },
      telemetry: false,
      routerPush: (to) => router.navigate({ href: to }),
      routerReplace: (to) => router.navigate({ href: to, replace: true }),
    });
    return window.Clerk;
  })();
  return loading;
}

// The sessions that were left in this page, or refused: to go on with one would be to be refused again.
const left = new Set<string>();

/** The session at Clerk that this page has left, although it still is; undefined where there is none. */
export function leftAtClerk({ session, client }: Clerk): string | undefined {
  // After a sign-out that has failed Clerk has no session, but its client has.
  const id = session === undefined ? client?.lastActiveSessionId : session?.id;
  return id && left.has(id) ? id : undefined;
}

/** The user who is signed in at Clerk; undefined where nobody is, or with a session that this page has left. */
export function signedInAtClerk(clerk: Clerk): SignedIn | undefined {
  const { session } = clerk;
  if (!session || left.has(session.id)) {
    return undefined;
  }
  const end = () => signOutAtClerk(clerk, session.id);
  return new SignedIn(clerkSource(clerk), {
    forget: () => void left.add(session.id),
    end,
    ended: end, // the next session must be another
    goesOn: "Clerk could not be told: your session there goes on.",
    // While Clerk changes sessions there is none that is known.
    watch: (onEnd) => clerk.addListener(({ session: now }) => now !== undefined && now?.id !== session.id && onEnd()),
  });
}

/** Ends one session at Clerk, and no other of the browser's. */
export function signOutAtClerk(clerk: Clerk, sessionId: string): Promise<void> {
  // Without a callback Clerk would load the page again, and nobody could read why.
  return clerk.signOut(() => {}, { sessionId });
}

function addScript(src: string, publishableKey?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = src;
    script.crossOrigin = "anonymous";
    if (publishableKey !== undefined) {
      script.dataset["clerkPublishableKey"] = publishableKey;
    }
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${src} cannot be loaded`));
    document.head.append(script);
  });
}
