import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { authInterceptor, functionSource } from "@ostiary/client";
import { type AccessExplanation, AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { type Identity, IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { readExplanations } from "../access/read";

/** What the server says of a token: whom it is for and what it may call, or why it is refused. */
export type Checked = { identity: Identity; explanations: AccessExplanation[] } | { refusal: ConnectError };

/** Has the server of this page, and no other, check a token. */
export async function checkToken(token: string): Promise<Checked> {
  const baseUrl = location.origin;
  const transport = createConnectTransport({
    baseUrl,
    interceptors: [
      authInterceptor(
        functionSource(() => token),
        baseUrl,
      ),
    ],
  });
  try {
    const { identity } = await createClient(IdentityService, transport).whoAmI({});
    const explanations = await readExplanations(createClient(AccessService, transport), {});
    return { identity: identity!, explanations };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (error.code === Code.Unauthenticated || error.code === Code.PermissionDenied) {
      return { refusal: error };
    }
    throw error;
  }
}
