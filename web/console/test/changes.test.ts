import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Session,
  SessionEventSchema,
  SessionEventType,
  SessionOrder,
  SessionSchema,
  SessionState,
  SightingSchema,
  WatchSessionsResponseSchema,
} from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { describe, expect, test } from "vitest";
import { changesSince, mostFresh, noChanges, rowsOf, trimmed, withMessage } from "../src/sessions/changes.js";
import { type Filter, matches, ownService, requestOf } from "../src/sessions/filter.js";
import { keyOf, subjectOf } from "../src/sessions/names.js";

/** A session that was first seen at a time. */
function session(sessionId: string, at: number, state = SessionState.ACTIVE, subject = "user_ada"): Session {
  const name = { issuer: "https://example.com", sessionId, owner: { case: "subject" as const, value: subject } };
  return create(SessionSchema, { session: name, state, firstSeenTime: timestampFromMs(at) });
}

function event(type: SessionEventType, session?: Session) {
  return create(SessionEventSchema, { type, ...(session === undefined ? {} : { session }) });
}

function message(...events: ReturnType<typeof event>[]) {
  return create(WatchSessionsResponseSchema, { events, resumeToken: "1" });
}

const shown = (rows: ReturnType<typeof rowsOf>["rows"]) =>
  rows.map(({ session, gone }) => `${subjectOf(session.session)} ${session.session?.sessionId} ${gone ? "GONE" : SessionState[session.state]}`);

describe("the rows after an event", () => {
  const listed = [session("b", 2), session("a", 1)];
  test.each([
    [
      "of a new session are as before, and it is new",
      event(SessionEventType.SEEN, session("c", 3)),
      ["user_ada b ACTIVE", "user_ada a ACTIVE"],
      ["user_ada c ACTIVE"],
    ],
    ["of one that goes on have it at its place", event(SessionEventType.RENEWED, session("a", 1)), ["user_ada b ACTIVE", "user_ada a ACTIVE"], []],
    ["of one that was ended say so", event(SessionEventType.REVOKED, session("b", 2, SessionState.REVOKED)), ["user_ada b REVOKED", "user_ada a ACTIVE"], []],
    ["of one that has expired say so", event(SessionEventType.EXPIRED, session("a", 1, SessionState.EXPIRED)), ["user_ada b ACTIVE", "user_ada a EXPIRED"], []],
    ["of one that was removed keep its place", event(SessionEventType.REMOVED, session("b", 0)), ["user_ada b GONE", "user_ada a ACTIVE"], []],
    ["of one that has left the view keep its place", event(SessionEventType.LEFT, session("a", 0)), ["user_ada b ACTIVE", "user_ada a GONE"], []],
    [
      "of another subject's session by the same id are as before",
      event(SessionEventType.SEEN, session("a", 3, SessionState.ACTIVE, "user_ben")),
      ["user_ada b ACTIVE", "user_ada a ACTIVE"],
      ["user_ben a ACTIVE"],
    ],
  ])("%s", (_, event, rows, fresh) => {
    const changes = withMessage(noChanges, message(event));
    const result = rowsOf(listed, false, changes, new Set(), {});
    expect(shown(result.rows)).toEqual(rows);
    expect(shown(result.fresh)).toEqual(fresh);
    expect(changes.unknown).toBe(false);
  });

  test("have the new ones at the top once the user has asked for them, and those stay when they are removed", () => {
    const before = withMessage(noChanges, message(event(SessionEventType.SEEN, session("c", 3)), event(SessionEventType.SEEN, session("d", 4))));
    const asked = new Set(rowsOf(listed, false, before, new Set(), {}).fresh.map(({ key }) => key));
    expect(shown(rowsOf(listed, false, before, asked, {}).rows)).toEqual(["user_ada d ACTIVE", "user_ada c ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]);
    const after = withMessage(before, message(event(SessionEventType.REMOVED, session("d", 4)), event(SessionEventType.SEEN, session("e", 5))));
    const result = rowsOf(listed, false, after, asked, {});
    expect(shown(result.rows)).toEqual(["user_ada d GONE", "user_ada c ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]);
    expect(shown(result.fresh)).toEqual(["user_ada e ACTIVE"]);
  });

  test("leave what is older than what was read to a later page", () => {
    const changes = withMessage(noChanges, message(event(SessionEventType.RENEWED, session("old", 0))));
    expect(rowsOf(listed, true, changes, new Set(), {}).fresh).toEqual([]);
    expect(rowsOf([...listed, session("old", 0)], false, changes, new Set(), {}).rows.map(({ key }) => key)).toContain(keyOf(session("old", 0).session));
  });

  test.each([
    [undefined, ["old"], ["later"]],
    ["oldest", ["later"], ["old"]],
    ["last-seen", ["old", "later"], []],
  ] as const)("leave what comes with a later page of the order %s to it", (order, behind, fresh) => {
    const all = [session("old", 0), session("later", 5)]; // neither was seen last at a time that is known
    const changes = withMessage(noChanges, message(...all.map((session) => event(SessionEventType.CHANGED, session))));
    const read = listed.map((session) => ({ ...session, lastSeenTime: timestampFromMs(9) }));
    const found = rowsOf(read, true, changes, new Set(), { order }).fresh.map(({ session }) => session.session?.sessionId);
    expect(found).toEqual(fresh);
    const asked = new Set(all.map(({ session }) => keyOf(session)));
    expect(rowsOf(read, true, changes, asked, { order }).rows.filter(({ added }) => added)).toHaveLength(behind.length + fresh.length);
  });

  test.each([
    ["of a subject before all that were read", "aaron", 0, true],
    ["of a subject in between", "user_b", 0, true],
    ["of a subject behind all that were read", "user_d", 9, false],
    ["of one whose name goes on", "user_cc", 9, false],
    ["of one that is behind in the order of bytes alone", "\u{1f6aa}", 9, false],
    ["of the last subject, which is newer", "\uffee", 9, true],
    ["of the last subject, which is older", "\uffee", 0, false],
  ])("say that there is a new one where they are grouped, %s", (_, subject, at, fresh) => {
    const last = /^[a-z]/.test(subject) ? "user_c" : "\uffee";
    const read = [session("a", 1, SessionState.ACTIVE, "user_a"), session("b", 1, SessionState.ACTIVE, last)];
    const changes = withMessage(noChanges, message(event(SessionEventType.RENEWED, session("new", at, SessionState.ACTIVE, subject))));
    expect(rowsOf(read, true, changes, new Set(), { group: "subject", order: "oldest" }).fresh).toHaveLength(fresh ? 1 : 0);
    expect(rowsOf(read, false, changes, new Set(), { group: "subject" }).fresh).toHaveLength(1);
  });

  test("are those of the list where it was requested after the event", () => {
    const before = withMessage(noChanges, message(event(SessionEventType.RENEWED, session("a", 1)), event(SessionEventType.REMOVED, session("b", 2))));
    const read = [session("b", 2), session("a", 1, SessionState.REVOKED)];
    const rows = (changes: typeof before) => shown(rowsOf(read, false, changes, new Set(), {}).rows);
    expect(rows(before)).toEqual(["user_ada b GONE", "user_ada a ACTIVE"]);
    expect(rows(changesSince(before, before, "2"))).toEqual(["user_ada b ACTIVE", "user_ada a REVOKED"]);
    const meanwhile = withMessage(before, message(event(SessionEventType.EXPIRED, session("b", 2, SessionState.EXPIRED))));
    expect(rows(changesSince(before, meanwhile, "2"))).toEqual(["user_ada b EXPIRED", "user_ada a REVOKED"]);
  });

  test("go on where the list was read, or where the stream has come to meanwhile", () => {
    const [before, after] = ["1", "3"].map((resumeToken) => withMessage(noChanges, create(WatchSessionsResponseSchema, { resumeToken })));
    expect(changesSince(noChanges, noChanges, "2").position).toBe("2");
    expect(changesSince(before!, before!, "2").position).toBe("2");
    expect(changesSince(before!, after!, "2").position).toBe("3");
  });

  test("that many others were seen, renewed or removed are no more than the table needs", () => {
    const tableOf = (changes: typeof noChanges) => rowsOf(listed, true, changes, new Set(), { q: "user_ada" });
    const many = (type: SessionEventType, name: string, at: number, subject?: string) =>
      message(...Array.from({ length: mostFresh }, (_, i) => event(type, session(`${name}${i}`, at, SessionState.ACTIVE, subject))));
    const receive = (before: typeof noChanges, ...messages: ReturnType<typeof message>[]) =>
      messages.reduce((changes, message) => trimmed(withMessage(changes, message), tableOf), before);
    const first = receive(noChanges, message(event(SessionEventType.REVOKED, session("a", 1, SessionState.REVOKED))), many(SessionEventType.SEEN, "new", 3));
    expect(tableOf(first).fresh).toHaveLength(mostFresh);
    const later = receive(
      first,
      many(SessionEventType.REMOVED, "removed", 0),
      many(SessionEventType.RENEWED, "old", 0), // comes with a later page
      many(SessionEventType.SEEN, "other", 3, "user_ben"), // does not match
    );
    expect(later.latest.size).toBeLessThanOrEqual(2 * mostFresh + 2);
    expect(shown(tableOf(later).rows)).toEqual(["user_ada b ACTIVE", "user_ada a REVOKED"]);
    expect(tableOf(later).fresh).toHaveLength(mostFresh);
    expect(later.leftOut).toBe(0);
    const tooMany = receive(later, many(SessionEventType.SEEN, "newer", 4), many(SessionEventType.SEEN, "newest", 5));
    expect(tooMany.latest.size).toBeLessThanOrEqual(2 * mostFresh + 2);
    expect(shown(tableOf(tooMany).rows)).toEqual(["user_ada b ACTIVE", "user_ada a REVOKED"]);
    expect(tooMany.leftOut).toBeGreaterThan(mostFresh);
    expect(changesSince(tooMany, tooMany, "2")).toMatchObject({ leftOut: 0, latest: new Map() });
  });

  test.each([
    ["that is not known", event(99 as SessionEventType, session("a", 1))],
    ["without a session", event(SessionEventType.SEEN)],
  ])("%s are listed again", (_, event) => {
    expect(withMessage(noChanges, message(event)).unknown).toBe(true);
  });

  test("are as before a heartbeat, but for the position", () => {
    expect(withMessage(noChanges, message())).toEqual({ ...noChanges, position: "1" });
  });
});

test.each([
  [{}, true],
  [{ q: "user_a" }, true],
  [{ q: "sess_" }, true],
  [{ q: "org_ac" }, true],
  [{ q: "ser_a" }, false],
  [{ state: "active" }, true],
  [{ state: "ended" }, false],
  [{ service: "billing" }, true],
  [{ service: "shipping" }, false],
  [{ service: ownService }, false],
] as [Filter, boolean][])("a session that the stream has brought matches %o: %s", (filter, found) => {
  const one = { ...session("sess_1", 1), organizationId: "org_acme", sightings: [create(SightingSchema, { service: "billing" })] };
  expect(matches(one, filter)).toBe(found);
});

test("a filter is requested as the server names it", () => {
  expect(requestOf({})).toEqual({ filter: {} });
  expect(requestOf({ q: "x", state: "ended", organization: "org_1", service: ownService, order: "oldest" })).toEqual({
    filter: { query: "x", states: [SessionState.REVOKED], organizationId: "org_1", service: "" },
    order: SessionOrder.FIRST_SEEN_ASC,
  });
  expect(requestOf({ subject: "user_ada", group: "subject", order: "oldest" })).toEqual({ filter: { subject: "user_ada" }, order: SessionOrder.SUBJECT });
});
