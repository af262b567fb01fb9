import type { Identity } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { Fact, Words } from "./names";

/** What a token grants, as lines of a list of facts. */
export function Grants({ identity: { roles, permissions, scopes, features, plans } }: { identity: Identity }) {
  return (
    <>
      <Fact name="Roles">
        <Words of={roles} />
      </Fact>
      <Fact name="Permissions">
        <Words of={permissions} />
      </Fact>
      <Fact name="Scopes">
        <Words of={scopes} />
      </Fact>
      {features.length > 0 && (
        <Fact name="Features">
          <Words of={features} />
        </Fact>
      )}
      {plans.length > 0 && (
        <Fact name="Plans">
          <Words of={plans} />
        </Fact>
      )}
    </>
  );
}
