import type { DescMessage } from "@bufbuild/protobuf";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { expect, test } from "vitest";
import { completionsAt, faultOf } from "../src/try/body.js";
import { isCallable, services, template } from "../src/try/schema.js";

const { input: list } = SessionService.method.listSessions;
const { input: revoke } = RevocationService.method.revokeTokens;

/** The part of a body that a fault is about. */
function faulty(message: DescMessage, body: string): [message: string | undefined, part: string] {
  const fault = faultOf(message, body);
  return [fault?.message, fault?.from === undefined ? "" : body.slice(fault.from, fault.to)];
}

test("nothing is wrong with any template", () => {
  for (const { input } of services.flatMap(({ methods }) => methods.filter(isCallable))) {
    expect(faultOf(input, template(input))).toBeUndefined();
  }
  expect(faultOf(list, " ")).toBeUndefined();
});

test("a fault is found at its place", () => {
  expect(faulty(list, '{"pageSize": 3,}')).toEqual(["it is not JSON: property name expected", "}"]);
  expect(faulty(list, '{"page_size": 3, "user": 1}')).toEqual(['ListSessionsRequest has no field "user"', '"user"']);
  expect(faulty(list, '{"filter": {"states": ["SESSION_STATE_ASLEEP"]}}')).toEqual([
    'SessionState has no value "SESSION_STATE_ASLEEP"',
    '"SESSION_STATE_ASLEEP"',
  ]);
  expect(faulty(list, '{"filter": 3}')).toEqual(["a ListSessionsFilter is an object", "3"]);
  expect(faulty(list, '{"pageSize": 1, "page_size": 2}')).toEqual(['"pageSize" is there twice', '"page_size"']);
  expect(faulty(revoke, '{"revocations": [{"target": {"subject": {}, "token": {}}}]}')).toEqual([
    expect.stringMatching("only one of session, subject, "),
    '"token"',
  ]);
  expect(faulty(list, '{"pageSize": "many"}')[0]).toMatch("page_size");
});

/** What can be at the mark | of a body, and the body with it. */
function completed(message: DescMessage, marked: string): [label: string, text: string][] {
  const offset = marked.indexOf("|");
  const body = marked.replace("|", "");
  return completionsAt(message, body, offset).map(({ label, from, to, text }) => [label, body.slice(0, from) + text + body.slice(to)]);
}

test("the fields are offered that are not there yet, and the values of enums", () => {
  expect(completed(list, '{"filter": {}, "pageSize": 3, |}').map(([label]) => label)).toEqual(["pageToken", "order", "countTotal"]);
  expect(completed(list, '{"count|": true}')).toContainEqual(["countTotal", '{"countTotal": true}']);
  expect(completed(list, "{|}")).toContainEqual(["pageSize", '{"pageSize": 0}']);
  expect(completed(list, '{| "pageSize": 0}')).toContainEqual(["countTotal", '{"countTotal": false, "pageSize": 0}']);
  expect(completed(list, '{"filter": {|}}').map(([label]) => label)).toContain("subject");
  expect(completed(list, '{"countTotal": |}')).toEqual([
    ["true", '{"countTotal": true}'],
    ["false", '{"countTotal": false}'],
  ]);
  expect(completed(list, '{"order": "|"}').map(([label]) => label)).toContain("SESSION_ORDER_UNSPECIFIED");
  expect(completed(revoke, '{"revocations": [{"target": {"subject": {|}}}]}').map(([label]) => label)).toEqual(["issuer", "subject"]);
  expect(completed(revoke, '{"revocations": [{"target": {"subject": {}, |}}]}')).toEqual([]);
});

test("nothing is offered where anything can be", () => {
  expect(completed(list, '{"pageToken": "|"}')).toEqual([]);
  expect(completed(list, '{"filter": {"lastSeenBeforeTime": {|}}}')).toEqual([]);
});
