import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { apiClient } from "@/api/server";
import { sentence } from "@/api/sentence";
import { Sessions } from "./sessions";

/** Protected by proxy.ts. What it shows, the API has verified: here, on the server, and below from the browser. */
export default async function Account() {
  return (
    <>
      <h1>Account</h1>
      <p id="identity">{await whoAmI()}</p>
      <Sessions />
    </>
  );
}

async function whoAmI(): Promise<string> {
  try {
    const { identity } = await (await apiClient(IdentityService)).whoAmI({});
    return `The API knows you as ${identity?.subject}, ${identity?.organization?.role ?? "in no organization"}.`;
  } catch (error) {
    return sentence(error);
  }
}
