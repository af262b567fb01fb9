/**
 * A name for what a user does once. Every call that is made for it, retries
 * included, carries it, so that the server does it once. crypto.randomUUID is not
 * there for pages that come over plain HTTP from elsewhere.
 */
export function newRequestId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
