import { useSyncExternalStore } from "react";

function subscribeVisible(listener: () => void): () => void {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}

/**
 * Whether anybody can see the page. A hidden one keeps no stream open: over
 * HTTP/1.1 all windows of a browser share six connections to the server, and a
 * stream takes one.
 */
export function useVisible(): boolean {
  return useSyncExternalStore(subscribeVisible, () => !document.hidden);
}

function subscribeOnline(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}

/** Whether the machine has a network at all. */
export function useOnline(): boolean {
  return useSyncExternalStore(subscribeOnline, () => navigator.onLine);
}

/** Whether a stream takes one of few connections for itself, as it does over HTTP/1.1. Browsers speak nothing newer without TLS. */
export function sharesConnections(): boolean {
  // An answer from the browser's cache does not say over which protocol it came.
  const protocols = performance.getEntries().map((entry) => (entry as Partial<PerformanceResourceTiming>).nextHopProtocol);
  return location.protocol === "http:" || protocols.findLast(Boolean) === "http/1.1";
}

const narrow = matchMedia("(max-width: 48rem)");

function subscribeNarrow(listener: () => void): () => void {
  narrow.addEventListener("change", listener);
  return () => narrow.removeEventListener("change", listener);
}

/** Whether the window is as narrow as a telephone: the width at which the styles change. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribeNarrow, () => narrow.matches);
}
