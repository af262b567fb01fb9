import { create } from "@bufbuild/protobuf";
import { PreviewRevocationResponseSchema } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { describe, expect, test } from "vitest";
import { forms, type Revocable, targetOf } from "../src/revocations/form.js";
import { endsOf } from "../src/revocations/preview.js";
import { nameOf } from "../src/revocations/target.js";

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

test.each([
  [{ sessionCount: 12n, subjectCount: 3n }, "Ends 12 sessions of 3 users."],
  [{ sessionCount: 1n, subjectCount: 1n }, "Ends 1 session of 1 user."],
  [{ sessionCount: 5000n, subjectCount: 1200n, countsAreMinimum: true }, /^Ends at least 5.000 sessions of at least 1.200 users\.$/],
  [{ sessionCount: 0n }, /^Ends no session that was seen here/],
  [{}, /is not known/],
])("a preview of %o says what ends", (preview, says) => {
  expect(endsOf(create(PreviewRevocationResponseSchema, preview))).toMatch(says);
});
