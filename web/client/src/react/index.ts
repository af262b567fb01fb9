"use client";
/**
 * Hooks for React, with the clients, tokens and streams of `@ostiary/client`:
 *
 *     <ApiProvider baseUrl={baseUrl} source={source}>
 *       <Invoices />
 *     </ApiProvider>
 *
 *     const invoices = useApiClient(InvoiceService);
 *     const { identity } = useIdentity();
 *     const { message, state } = useStream(InvoiceService.method.watchInvoices, { customer });
 *
 * @module
 */
export { ApiProvider, type ApiProviderProps, type TransportOptions, useApiClient, useApiTransport } from "./provider.js";
export { type IdentityResult, useIdentity } from "./identity.js";
export { type StreamOptions, type StreamResult, useStream } from "./stream.js";
