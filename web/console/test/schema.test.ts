import { fromJsonString, toJson } from "@bufbuild/protobuf";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { expect, test } from "vitest";
import { changes, isCallable, methodNamed, procedureOf, services, targetsOf, template } from "../src/try/schema.js";

test("methods are found by their procedure, but those that browsers cannot call", () => {
  expect(methodNamed(procedureOf(SessionService.method.getSession))?.name).toBe("GetSession");
  expect(methodNamed("/ostiary.revocation.v1.RevocationService/ImportRevocations")).toBeUndefined();
  expect(methodNamed(undefined)).toBeUndefined();
});

test("a template has every field of the request, and what is optional is not set", () => {
  const { input } = SessionService.method.listSessions;
  expect(JSON.parse(template(input))).toEqual({
    filter: { issuer: null, subject: null, organizationId: null, query: "", states: [], service: null, lastSeenBeforeTime: null },
    order: "SESSION_ORDER_UNSPECIFIED",
    countTotal: false,
    pageSize: 0,
    pageToken: "",
  });
  expect(toJson(input, fromJsonString(input, template(input)))).toEqual({ filter: {} });
});

test("a template of what revokes has a target that names nobody", () => {
  expect(JSON.parse(template(SessionService.method.revokeSession.input))).toEqual({
    session: { issuer: "", sessionId: "", subject: "" },
    cause: "",
    requestId: "",
  });
  expect(JSON.parse(template(RevocationService.method.revokeTokens.input))).toEqual({
    revocations: [{ target: { session: { issuer: "", sessionId: "", subject: "" } }, issuedBeforeTime: null, cause: "" }],
    requestId: "",
  });
});

test("the methods that revoke are known, and what each can revoke", () => {
  const revoking = services.flatMap(({ methods }) => methods.filter(isCallable).filter(changes));
  expect(Object.fromEntries(revoking.map(({ name, input }) => [name, targetsOf(input)]))).toEqual({
    RevokeSession: ["session", "currentSession"],
    RevokeSubject: ["subject", "currentSubject"],
    RevokeTokens: ["session", "subject", "token", "client", "machine", "entireIssuer", "organization", "member", "grant"],
  });
});

test("every template can be read as the request that it stands for", () => {
  for (const { input } of services.flatMap(({ methods }) => methods.filter(isCallable))) {
    fromJsonString(input, template(input));
  }
});
