/**
 * Tokens, reasons and lasting streams for connect-web.
 *
 *     const transport = createConnectTransport({ baseUrl, interceptors: [authInterceptor(source, baseUrl)] });
 *     const identity = createClient(IdentityService, transport);
 *     await identity.whoAmI({}).catch((error) => console.log(authReason(error)));
 *
 * @module
 */
export { type ClerkLike, clerkSource, functionSource, type TokenOptions, type TokenSource, TokenSourceError } from "./source.js";
export { type DevSource, type DevSourceOptions, devSource } from "./dev.js";
export { authInterceptor, freshToken } from "./intercept.js";
export { type KeepOptions, keepStreams } from "./keep.js";
export { authReason, isReason, type Reason, serviceReason, type ServiceReason } from "./reason.js";
export { type FieldViolation, fieldViolations, helpLink, requestId } from "./details.js";
export { errorDomain, reasons, serviceReasons } from "./reasons.js";
export { resumable, type ResumeOptions, type StreamState } from "./resume.js";
export { isPublic, ruleOf } from "./rule.js";
export { type Claims, readClaims } from "./claims.js";
