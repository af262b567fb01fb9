import { create, fromJsonString, toBinary, toJson } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { GetBackendSchemaResponseSchema } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { expect, test } from "vitest";
import { type Api, apiOf } from "../src/try/api.js";
import { faultOf } from "../src/try/body.js";
import { callableOf, changes, isCallable, methodNamed, procedureOf, services, targetsOf, template } from "../src/try/schema.js";
import { snippets } from "../src/try/snippets.js";

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

/** The API of a backend with a service S, whose method Get takes and returns the first message. */
function apiWith(change: Partial<FileDescriptorProto>, ...messages: { name: string; fields?: [name: string, type: string, repeated?: boolean][] }[]): Api {
  const first = `.acme.${messages[0]?.name}`;
  const file = create(FileDescriptorProtoSchema, {
    name: "acme/a.proto",
    package: "acme",
    syntax: "proto3",
    messageType: messages.map(({ name, fields = [] }) => ({
      name,
      field: fields.map(([field, type, repeated], i) => ({
        name: field,
        jsonName: field,
        number: i + 1,
        type: 11,
        typeName: `.acme.${type}`,
        label: repeated ? 3 : 1,
      })),
    })),
    service: [{ name: "S", method: [{ name: "Get", inputType: first, outputType: first }] }],
    ...(change as object),
  });
  const fileDescriptorSet = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] }));
  return apiOf({ name: "b", url: "https://b.example" }, create(GetBackendSchemaResponseSchema, { fileDescriptorSet, services: ["acme.S"] }));
}

test("a message that is in itself has a template, and so has one that would be very large", () => {
  const [method] = callableOf(
    apiWith(
      {},
      {
        name: "Node",
        fields: [
          ["child", "Node"],
          ["children", "Node", true],
          ["other", "Leaf"],
        ],
      },
      { name: "Leaf", fields: [["up", "Node"]] },
    ).services,
  );
  expect(JSON.parse(template(method!.input))).toEqual({ child: null, children: [], other: { up: null } });
  const wide = Array.from({ length: 40 }, (_, i) => ({
    name: `M${i}`,
    fields: i === 39 ? [] : Array.from({ length: 10 }, (_, j): [string, string] => [`f${j}`, `M${i + 1}`]),
  }));
  const [large] = callableOf(apiWith({}, ...wide).services);
  expect(template(large!.input).length).toBeLessThan(50_000);
  expect(faultOf(large!.input, template(large!.input))).toBeUndefined();
});

test("a schema that cannot be used throws, and names in one do nothing to the page", () => {
  expect(() => apiWith({ dependency: ["missing.proto"] }, { name: "M" })).toThrow(/missing/);
  expect(() => apiWith({}, { name: "M", fields: [["a", "Nothing"]] })).toThrow();
  expect(() =>
    apiOf({ name: "b", url: "https://b.example" }, create(GetBackendSchemaResponseSchema, { fileDescriptorSet: new Uint8Array([255, 255]) })),
  ).toThrow();
  const [method] = callableOf(
    apiWith(
      {},
      {
        name: "M",
        fields: [
          ["constructor", "M"],
          ["__proto__", "M"],
          ["toString", "N"],
        ],
      },
      { name: "N" },
    ).services,
  );
  expect(JSON.parse(template(method!.input))).toEqual(JSON.parse('{"constructor": null, "__proto__": null, "toString": {}}'));
  expect(faultOf(method!.input, '{"toString": {}, "hasOwnProperty": {}}')?.message).toBe('M has no field "hasOwnProperty"');
});

test("what a schema has in its options and names of files does not become code", () => {
  const evil = 'x"\n)\nfunc init() { evil() }\n// ';
  const api = apiWith({ name: `${evil}.proto`, options: { goPackage: evil } as FileDescriptorProto["options"] }, { name: "M" });
  const [method] = callableOf(api.services);
  const { Go, TypeScript } = snippets(method!, "{}", { url: api.url, schema: "b.binpb" });
  expect(Go).not.toContain("evil");
  expect(TypeScript.split("\n").some((line) => line.startsWith("func init"))).toBe(false);
  expect(TypeScript).toContain(`from ${JSON.stringify(`./gen/${evil}_pb`)};`);
});

test("the names in Go are those of protoc-gen-go, and each message has the package of its own file", () => {
  const [method] = callableOf(apiWith({ options: { goPackage: "example.com/acme/v1" } as FileDescriptorProto["options"] }, { name: "get_the_thing" }).services);
  const { Go } = snippets(method!, "{}", { url: "https://b.example/api", schema: "b.binpb" });
  expect(Go).toContain('v1 "example.com/acme/v1"');
  expect(Go).toContain('connect.NewClient[v1.GetTheThing, v1.GetTheThing](http.DefaultClient, api+"/acme.S/Get"');
  expect(snippets(method!, "{}", { url: "https://b.example/api", schema: "it's.binpb" }).grpcurl).toBe(
    "# grpcurl calls nothing below a path; buf does.\n" +
      `buf curl --schema 'it'\\''s.binpb' -H "Authorization: Bearer $TOKEN" \\\n  -d '{}' https://b.example/api/acme.S/Get`,
  );
});
