import type { ClerkLike } from "@ostiary/client";
import type { Config } from "./config";

/** What this page uses of Clerk. */
export interface Clerk extends ClerkLike {
  load(options: { ui: { ClerkUI: unknown }; telemetry: false }): Promise<void>;
  mountSignIn(element: HTMLDivElement, options: { routing: "hash" }): void;
  unmountSignIn(element: HTMLDivElement): void;
  addListener(listener: () => void): () => void;
  signOut(): Promise<void>;
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
    await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor }, telemetry: false });
    return window.Clerk;
  })();
  return loading;
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
