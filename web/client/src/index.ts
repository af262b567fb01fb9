/**
 * Tokens, reasons and lasting streams for connect-web.
 *
 *     const transport = createConnectTransport({ baseUrl, interceptors: [authInterceptor(source, baseUrl)] });
 *     const identity = createClient(IdentityService, transport);
 *     await identity.whoAmI({}).catch((error) => console.log(reasonOf(error)));
 *
 * @module
 */
export { functionSource, type TokenOptions, type TokenSource, TokenSourceError } from "./source.js";
export { type ClerkLike, type ClerkReverification, clerkSource, reverifiable, type ReverificationHint } from "./clerk.js";
export { type AuthOptions, authInterceptor, freshToken } from "./intercept.js";
export { type KeepOptions, keepStreams } from "./keep.js";
export { isSignedOut, type Reason, reasonOf } from "./reason.js";
export { type FieldViolation, fieldViolations, helpLink, requestId, retryDelay } from "./details.js";
export type { AuthReason, ServiceReason } from "./reasons.js";
export { resumable, type ResumeOptions, type StreamState } from "./resume.js";
export { type Claims, readClaims } from "./claims.js";
