// What the page of another origin runs: calls by every protocol, and what it
// could read of their outcome.
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { IdentityService } from "../../src/gen/ostiary/identity/v1/identity_pb.js";
import { authInterceptor, reasonOf, functionSource } from "../../src/index.js";

export interface Outcome {
  subject?: string | undefined;
  reason?: string | undefined;
  challenge?: string | null;
  message?: string;
}

export interface Ask {
  api: string;
  protocol: "connect" | "grpcweb";
  stream: boolean;
  token: string | null;
  credentials: RequestCredentials;
}

async function call({ api, protocol, stream, token, credentials }: Ask): Promise<Outcome> {
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const client = createClient(
    IdentityService,
    create({
      baseUrl: api,
      interceptors: [authInterceptor(functionSource(() => token), api)],
      fetch: (input, init) => fetch(input, { ...init, credentials }),
    }),
  );
  try {
    if (!stream) {
      return { subject: (await client.whoAmI({})).identity?.subject };
    }
    for await (const { identity } of client.watchIdentity({})) {
      if (identity !== undefined) { // else it is a heartbeat
        return { subject: identity.subject };
      }
    }
    return {};
  } catch (cause) {
    const error = ConnectError.from(cause);
    return { reason: reasonOf(error), challenge: error.metadata.get("WWW-Authenticate"), message: error.rawMessage };
  }
}

declare global {
  interface Window {
    call: typeof call;
  }
}
window.call = call;
