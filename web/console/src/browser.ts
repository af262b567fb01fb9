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

/** Whether a stream takes one of few connections for itself, as it does over HTTP/1.1. */
export function sharesConnections(): boolean {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return page?.nextHopProtocol === "http/1.1";
}
