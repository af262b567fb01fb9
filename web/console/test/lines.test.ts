import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionSchema, SessionState } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { describe, expect, test } from "vitest";
import { each } from "../src/api/each.js";
import type { Row } from "../src/sessions/changes.js";
import { canEnd, groupsOf, linesOf } from "../src/sessions/lines.js";
import { between } from "../src/sessions/selection.js";
import { csvLine } from "../src/ui/csv.js";

function row(key: string, subject: string, at: number, { state = SessionState.ACTIVE, gone = false, added = false, issuer = "https://example.com" } = {}): Row {
  const session = { issuer, sessionId: key, owner: { case: "subject" as const, value: subject } };
  return { key, gone, added, session: create(SessionSchema, { session, state, lastSeenTime: timestampFromMs(at) }) };
}

describe("the lines of sessions", () => {
  const rows = [row("a", "ada", 3), row("c", "ada", 9), row("d", "ada", 1, { issuer: "https://other.example.com" }), row("b", "ben", 2)];
  const shown = (open: string[], more = false, of = rows) =>
    linesOf(of, true, new Set(open), more).map((line) =>
      line.kind === "group" ? `${line.group.subject} ${line.group.rows.length}${line.group.more ? "+" : ""}` : line.row.key,
    );

  test("are the rows, where they are not grouped", () => {
    expect(linesOf(rows, false, new Set(), false).map((line) => line.kind === "session" && line.row.key)).toEqual(["a", "c", "d", "b"]);
  });

  test("are one for each subject of an issuer, in the order in which they come", () => {
    expect(shown([])).toEqual(["ada 2", "ada 1", "ben 1"]);
    expect(groupsOf(rows, false)[0]?.lastSeen).toEqual(timestampFromMs(9));
  });

  test("have the sessions of a group that is open after it", () => {
    expect(shown([groupsOf(rows, false)[0]!.key])).toEqual(["ada 2", "a", "c", "ada 1", "ben 1"]);
  });

  test("count all of each subject but the last, of whom more may be on the next page", () => {
    expect(shown([], true)).toEqual(["ada 2", "ada 1", "ben 1+"]);
  });

  test("stay where they are when others are asked for: those of a subject become the first of its group, and groups without others are the first", () => {
    const asked = [row("x", "ben", 11, { added: true }), row("y", "abe", 12, { added: true }), row("z", "zoe", 13, { added: true })];
    const keys = groupsOf(rows, false).map(({ key }) => key);
    expect(shown(keys, true, [...asked, ...rows])).toEqual(["abe 1", "zoe 1", "ada 2", "a", "c", "ada 1", "d", "ben 2+", "x", "b"]);
  });
});

test.each([
  ["goes on", {}, true],
  ["has expired, since a newer token makes it go on", { state: SessionState.EXPIRED }, true],
  ["has a state of a later version", { state: 99 as SessionState }, true],
  ["was ended", { state: SessionState.REVOKED }, false],
  ["was removed", { gone: true }, false],
])("a session can be ended or not, where it %s", (_, how, can) => {
  expect(canEnd(row("a", "ada", 1, how))).toBe(can);
});

test.each([
  ["b", "d", "bcd"],
  ["d", "b", "bcd"],
  ["b", "b", "b"],
  [undefined, "c", "c"],
  ["gone", "c", "c"],
])("the range from %s to %s is %s", (from, to, range) => {
  const rows = ["a", "b", "c", "d"].map((key, i) => row(key, "ada", i));
  expect(
    between(rows, from, to)
      .map(({ key }) => key)
      .join(""),
  ).toBe(range);
});

test.each([
  ["as they are", ["user_ada", "a b"], '"user_ada","a b"'],
  ["with quotes doubled", ['say "hi"', "a,b\nc"], '"say ""hi""","a,b\nc"'],
  ["that begin like a formula after an apostrophe", ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "\u200b=1", "\uff1d1"], null],
  ["that begin with a tab or a line break after an apostrophe", ["\tx", "\rx", "\nx"], null],
  ["of which a sign is not the first as they are", ["a=1", "user-1"], '"a=1","user-1"'],
])("a CSV file has cells %s", (_, cells, line) => {
  expect(csvLine(cells)).toBe(`${line ?? cells.map((cell) => `"'${cell}"`).join(",")}\r\n`);
});

describe("work for each item", () => {
  test("goes on for so many at a time", async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    await each([1, 2, 3, 4, 5], 2, async (item) => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      done.push(item);
      now--;
    });
    expect([most, done]).toEqual([2, [1, 2, 3, 4, 5]]);
  });

  test("begins nothing new after a failure, and fails with it when what has begun is done", async () => {
    const begun: number[] = [];
    const work = async (item: number) => {
      begun.push(item);
      await Promise.resolve();
      if (item === 1) {
        throw new Error("no");
      }
    };
    await expect(each([1, 2, 3, 4], 2, work)).rejects.toThrow("no");
    expect(begun).toEqual([1, 2]);
  });
});
