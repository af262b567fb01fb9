import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  type Session,
  SessionEventSchema,
  SessionEventType,
  SessionSchema,
  SessionService,
  SessionState,
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { describe, expect, test } from "vitest";
import { after, followSessions, most, type SessionList, subjectOf } from "../src/sessionlist.js";

/** A session that was first seen at a time. */
function session(sessionId: string, at: number, state = SessionState.ACTIVE, subject = "user_ada"): Session {
  const name = { issuer: "https://example.com", sessionId, owner: { case: "subject" as const, value: subject } };
  return create(SessionSchema, { session: name, state, firstSeenTime: timestampFromMs(at) });
}

function event(type: SessionEventType, session?: Session) {
  return create(SessionEventSchema, { type, ...(session === undefined ? {} : { session }) });
}

function shown(list: SessionList | undefined): string[] | undefined {
  return list?.sessions.map(({ session, state }) => `${subjectOf(session)} ${session?.sessionId} ${SessionState[state]}`);
}

describe("the list after an event", () => {
  const list = { sessions: [session("b", 2), session("a", 1)], more: false };
  test.each([
    ["of a new session has it at the top", event(SessionEventType.SEEN, session("c", 3)), ["user_ada c ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]],
    ["of one that has come into view has it at its place", event(SessionEventType.SEEN, session("o", 0)), ["user_ada b ACTIVE", "user_ada a ACTIVE", "user_ada o ACTIVE"]],
    ["of one that goes on has it at its place", event(SessionEventType.RENEWED, session("a", 1)), ["user_ada b ACTIVE", "user_ada a ACTIVE"]],
    ["of one that was revoked says so", event(SessionEventType.REVOKED, session("b", 2, SessionState.REVOKED)), ["user_ada b REVOKED", "user_ada a ACTIVE"]],
    ["of one that has expired says so", event(SessionEventType.EXPIRED, session("a", 1, SessionState.EXPIRED)), ["user_ada b ACTIVE", "user_ada a EXPIRED"]],
    ["of one that has changed in another way has it as it is", event(SessionEventType.CHANGED, session("a", 3)), ["user_ada a ACTIVE", "user_ada b ACTIVE"]],
    ["of one that was removed is without it", event(SessionEventType.REMOVED, session("a", 0)), ["user_ada b ACTIVE"]],
    ["of one that has left the view is without it", event(SessionEventType.LEFT, session("b", 0)), ["user_ada a ACTIVE"]],
    ["of another subject's session by the same id has both", event(SessionEventType.SEEN, session("a", 3, SessionState.ACTIVE, "user_ben")), ["user_ben a ACTIVE", "user_ada b ACTIVE", "user_ada a ACTIVE"]],
    ["that is not known is asked for again", event(99 as SessionEventType, session("a", 1)), undefined],
    ["without a session is asked for again", event(SessionEventType.SEEN), undefined],
  ])("%s", (_, event, want) => {
    expect(shown(after(list, [event]))).toEqual(want);
  });

  test("has no more sessions than it is meant to have, and says that there are older ones", () => {
    const full = { sessions: Array.from({ length: most }, (_, i) => session(`s${i}`, most - i)), more: false };
    const next = after(full, [event(SessionEventType.SEEN, session("new", most + 1))]);
    expect(next?.sessions).toHaveLength(most);
    expect(next?.sessions[0]?.session?.sessionId).toBe("new");
    expect(next?.more).toBe(true);
  });
});

/** An error with a reason of ostiary's own services. */
function failure(code: Code, reason: string): ConnectError {
  const error = new ConnectError("no", code);
  const field = (tag: number, text: string) => [tag, text.length, ...Buffer.from(text)];
  error.details.push({ type: "google.rpc.ErrorInfo", value: Uint8Array.from([...field(0x0a, reason), ...field(0x12, "github.com/ostiary/ostiary")]) });
  return error;
}

describe("who follows the sessions", () => {
  type Answer = Pick<WatchSessionsResponse, "events" | "resumeToken"> | ConnectError;
  const heartbeat = (resumeToken: string) => ({ events: [], resumeToken });
  const seen = (sessionId: string, resumeToken: string) => ({ events: [event(SessionEventType.SEEN, session(sessionId, 10))], resumeToken });

  /** Follows a server that gives each watch its answers in turn, and keeps the last one open. Returns what was asked, and what was shown. */
  async function follow(...watches: Answer[][]) {
    const asked: string[] = [];
    const lists: (string[] | undefined)[] = [];
    const stop = new AbortController();
    let listed = 0;
    const transport = createRouterTransport(({ service }) =>
      service(SessionService, {
        listSessions: () => {
          asked.push("list");
          listed++;
          return { sessions: [session(`list${listed}`, listed)], resumeToken: `after list ${listed}` };
        },
        watchSessions: async function* ({ resumeToken }, { signal }) {
          asked.push(`watch ${resumeToken}`);
          for (const answer of watches.shift() ?? []) {
            if (answer instanceof ConnectError) {
              throw answer;
            }
            yield create(WatchSessionsResponseSchema, answer);
          }
          if (watches.length === 0) {
            stop.abort();
          }
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      }),
    );
    await followSessions(createClient(SessionService, transport), (list) => lists.push(shown(list)), { signal: stop.signal });
    return { asked, lists };
  }

  test("watches from where the list was read, and takes no heartbeat for a change", async () => {
    expect(await follow([heartbeat("1"), seen("a", "2"), heartbeat("3")])).toEqual({
      asked: ["list", "watch after list 1"],
      lists: [["user_ada list1 ACTIVE"], ["user_ada a ACTIVE", "user_ada list1 ACTIVE"]],
    });
  });

  test("goes on after a break from where the stream was, a heartbeat included", async () => {
    const away = new ConnectError("away", Code.Unavailable);
    expect(await follow([seen("a", "1"), heartbeat("2"), away], [seen("b", "3")])).toEqual({
      asked: ["list", "watch after list 1", "watch 2"],
      lists: [
        ["user_ada list1 ACTIVE"],
        ["user_ada a ACTIVE", "user_ada list1 ACTIVE"],
        ["user_ada a ACTIVE", "user_ada b ACTIVE", "user_ada list1 ACTIVE"],
      ],
    });
  });

  test.each([
    ["has another database", [failure(Code.FailedPrecondition, "POSITION_EPOCH_CHANGED")]],
    ["has the changes no more", [failure(Code.OutOfRange, "POSITION_EXPIRED")]],
    ["sends an event that is not known", [{ events: [event(99 as SessionEventType, session("x", 5))], resumeToken: "1" }]],
  ])("lists again when the server %s", async (_, answers: Answer[]) => {
    expect(await follow(answers, [heartbeat("2")])).toEqual({
      asked: ["list", "watch after list 1", "list", "watch after list 2"],
      lists: [["user_ada list1 ACTIVE"], ["user_ada list2 ACTIVE"]],
    });
  });

  test("is told of any other failure", async () => {
    await expect(follow([new ConnectError("no", Code.PermissionDenied)], [])).rejects.toMatchObject({ code: Code.PermissionDenied });
  });
});
