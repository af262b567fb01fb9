import { type ClerkLike, clerkSource } from "@ostiary/client";
import type { Config } from "./config";
import { go } from "./router";
import { SignedIn } from "./signedin";

type Session = NonNullable<ClerkLike["session"]> & { readonly id: string };

/** What this page uses of Clerk. */
export interface Clerk extends ClerkLike {
  readonly session?: Session | null | undefined;
  load(options: {
    ui: { ClerkUI: unknown };
    telemetry: false;
    routerPush: (to: string) => unknown;
    routerReplace: (to: string) => unknown;
  }): Promise<void>;
  mountSignIn(element: HTMLDivElement, options: { routing: "hash"; fallbackRedirectUrl: string; signUpFallbackRedirectUrl: string }): void;
  unmountSignIn(element: HTMLDivElement): void;
  addListener(listener: (now: { session?: Session | null | undefined }) => void): () => void;
  signOut(callback: () => void): Promise<void>;
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
      routerPush: (to) => go(to),
      routerReplace: (to) => go(to, true),
    });
    return window.Clerk;
  })();
  return loading;
}

/** Whoever is signed in at Clerk; undefined where nobody is. */
export function signedInAtClerk(clerk: Clerk): SignedIn | undefined {
  const { session } = clerk;
  if (!session) {
    return undefined;
  }
  // Without a callback Clerk would load the page again, and nobody could read why.
  const signOut = () => clerk.signOut(() => {});
  return new SignedIn(clerkSource(clerk), {
    signOut,
    forget: signOut, // a session that is refused here is none that Clerk should sign in with again
    // While Clerk changes sessions there is none that is known.
    watch: (onEnd) => clerk.addListener(({ session: now }) => now !== undefined && now?.id !== session.id && onEnd()),
  });
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
