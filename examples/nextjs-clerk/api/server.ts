import "server-only";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor } from "@ostiary/client";
import { serverSource } from "@/auth/server";
import { settings } from "@/settings";

/** A client of a service of the API for server components: it calls as the user who asks for the page. */
export async function apiClient<S extends DescService>(service: S): Promise<Client<S>> {
  const baseUrl = settings().apiInternalUrl;
  return createClient(service, createConnectTransport({ baseUrl, interceptors: [authInterceptor(await serverSource(), baseUrl)] }));
}
