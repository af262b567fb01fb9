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
import { noChanges, rowsOf, withMessage } from "../src/sessions/changes.js";
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
    const result = rowsOf(listed, false, changes, new Set());
    expect(shown(result.rows)).toEqual(rows);
    expect(shown(result.fresh)).toEqual(fresh);
    expect(changes.unknown).toBe(false);
  });

  test("have the new ones at the top once the user has asked for them, and those stay when they are removed", () => {
    const before = withMessage(noChanges, message(event(SessionEventType.SEEN, session("c", 3)), event(SessionEventType.SEEN, session("d", 4))));
    const asked = new Set(rowsOf(listed, false, before, new Set()).fresh.map(({ key }) => key));
    expect(shown(rowsOf(listed, false, before, asked).rows)).toEqual(["user_ada d ACTIVE", "user_ada c ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]);
    const after = withMessage(before, message(event(SessionEventType.REMOVED, session("d", 4)), event(SessionEventType.SEEN, session("e", 5))));
    const result = rowsOf(listed, false, after, asked);
    expect(shown(result.rows)).toEqual(["user_ada d GONE", "user_ada c ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]);
    expect(shown(result.fresh)).toEqual(["user_ada e ACTIVE"]);
  });

  test("leave what is older than what was read to a later page", () => {
    const changes = withMessage(noChanges, message(event(SessionEventType.RENEWED, session("old", 0))));
    expect(rowsOf(listed, true, changes, new Set()).fresh).toEqual([]);
    expect(rowsOf([...listed, session("old", 0)], false, changes, new Set()).rows.map(({ key }) => key)).toContain(keyOf(session("old", 0).session));
  });

  test.each([
    [undefined, ["old"], ["later"]],
    ["oldest", ["later"], ["old"]],
    ["last-seen", ["old", "later"], []],
  ] as const)("leave what comes with a later page of the order %s to it", (order, behind, fresh) => {
    const all = [session("old", 0), session("later", 5)]; // neither was seen last at a time that is known
    const changes = withMessage(noChanges, message(...all.map((session) => event(SessionEventType.CHANGED, session))));
    const read = listed.map((session) => ({ ...session, lastSeenTime: timestampFromMs(9) }));
    const found = rowsOf(read, true, changes, new Set(), order).fresh.map(({ session }) => session.session?.sessionId);
    expect(found).toEqual(fresh);
    const asked = new Set(all.map(({ session }) => keyOf(session)));
    expect(rowsOf(read, true, changes, asked, order).rows.filter(({ added }) => added)).toHaveLength(behind.length + fresh.length);
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
});
