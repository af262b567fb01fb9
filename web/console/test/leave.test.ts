import { Code, ConnectError } from "@connectrpc/connect";
import { TokenSourceError } from "@ostiary/client";
import { expect, test } from "vitest";
import { atMost, farewell, goodbye } from "../src/leave.js";
import type { Issuer } from "../src/signedin.js";

const issuer: Issuer = { forget: () => {}, end: async () => {}, over: async () => {}, lasting: "It goes on." };

function refusal(reason: string): ConnectError {
  const error = new ConnectError("no", Code.Unauthenticated);
  const field = (tag: number, text: string) => [tag, text.length, ...Buffer.from(text)];
  error.details.push({ type: "google.rpc.ErrorInfo", value: Uint8Array.from([...field(0x0a, reason), ...field(0x12, "github.com/ostiary/ostiary")]) });
  return error;
}

test.each(["TOKEN_REVOKED", "TOKEN_EXPIRED"])("a session that has ended is ended at its issuer too: %s", (reason) => {
  expect(farewell(refusal(reason), issuer).tell).toBe(issuer.over);
});

test.each(["AUDIENCE_MISMATCH", "KEY_UNKNOWN", "TOKEN_MISSING"])("what may be the server's fault ends no session: %s", (reason) => {
  expect(farewell(refusal(reason), issuer).tell).toBeUndefined();
});

test("a source that has no token is named", () => {
  const cause = new TokenSourceError("the issuer refuses", { permanent: true });
  expect(farewell(new ConnectError("no token", Code.Unauthenticated, undefined, undefined, cause), issuer).said).toBe("You are signed out: the issuer refuses.");
});

test("nobody is promised more than is done", () => {
  expect(goodbye(issuer)).toEqual({ said: "You have signed out.", tell: issuer.end });
  expect(goodbye({ forget: () => {}, lasting: "It goes on." })).toEqual({ said: "You have left. It goes on." });
});

test("work that takes too long has failed, and is told to stop", async () => {
  let told: AbortSignal | undefined;
  const endless = atMost(10, (signal) => {
    told = signal;
    return new Promise(() => {});
  });
  await expect(endless).rejects.toMatchObject({ name: "TimeoutError" });
  expect(told?.aborted).toBe(true);
});
