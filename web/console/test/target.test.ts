import { create } from "@bufbuild/protobuf";
import { RevocationSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { describe, expect, test } from "vitest";
import { forms, type Revocable, targetOf } from "../src/revocations/form.js";
import { matches, nameOf } from "../src/revocations/target.js";

const values = { issuer: "https://example.com", subject: "user_ada", clientId: "crm", tokenId: "t1", sessionId: "sess_1", organizationId: "org_1" };

describe("what is revoked", () => {
  test.each(Object.keys(forms) as Revocable[])("is named as the form of a %s says it", (kind) => {
    const named = nameOf(targetOf(kind, values));
    expect(named.kind).toBe(kind);
    expect(named.issuer).toBe("https://example.com");
    const names = forms[kind].fields.map((field) => values[field]);
    expect([named.name, named.subject].filter(Boolean)).toEqual(names);
  });

  test("is unknown to this version where its kind is", () => {
    expect(nameOf(undefined)).toEqual({ kind: "unknown", issuer: "", name: "" });
  });
});

describe("a revocation", () => {
  const origin = { origin: { case: "caller" as const, value: { subject: "user_eve" } } };
  const revocation = create(RevocationSchema, { target: targetOf("client", values), cause: "the key has leaked", origin });
  test.each([
    [{}, true],
    [{ q: "cr" }, true],
    [{ q: "leaked" }, true],
    [{ q: "eve" }, true],
    [{ q: "user_ada" }, false],
    [{ kind: "client" }, true],
    [{ kind: "token", q: "cr" }, false],
  ] as const)("matches %o: %s", (filter, found) => {
    expect(matches(revocation, filter)).toBe(found);
  });
});
