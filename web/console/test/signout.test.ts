import { Code, ConnectError } from "@connectrpc/connect";
import { TokenSourceError } from "@ostiary/client";
import { expect, test } from "vitest";
import type { IssuerSession } from "../src/auth/signedin.js";
import { signOutByServer, signOutByUser, withTimeout } from "../src/auth/signout.js";

const issuer: IssuerSession = { forget: () => {}, end: async () => {}, ended: async () => {}, goesOn: "It goes on." };

function refusal(reason: string): ConnectError {
  const error = new ConnectError("no", Code.Unauthenticated);
  const field = (tag: number, text: string) => [tag, text.length, ...Buffer.from(text)];
  error.details.push({ type: "google.rpc.ErrorInfo", value: Uint8Array.from([...field(0x0a, reason), ...field(0x12, "github.com/ostiary/ostiary")]) });
  return error;
}

test.each(["TOKEN_REVOKED", "TOKEN_EXPIRED"])("a session that has ended is ended at its issuer too: %s", (reason) => {
  expect(signOutByServer(refusal(reason), issuer).tell).toBe(issuer.ended);
});

test.each(["AUDIENCE_MISMATCH", "KEY_UNKNOWN", "TOKEN_MISSING"])("what may be the server's fault ends no session: %s", (reason) => {
  expect(signOutByServer(refusal(reason), issuer).tell).toBeUndefined();
});

test("a source that has no token is named", () => {
  const cause = new TokenSourceError("the issuer refuses", { permanent: true });
  expect(signOutByServer(new ConnectError("no token", Code.Unauthenticated, undefined, undefined, cause), issuer).message).toBe(
    "You are signed out: the issuer refuses.",
  );
});

test("nobody is promised more than is done", () => {
  expect(signOutByUser(issuer)).toEqual({ message: "You have signed out.", tell: issuer.end });
  expect(signOutByUser({ forget: () => {}, goesOn: "It goes on." })).toEqual({ message: "You have left. It goes on." });
});

test("work that takes too long has failed, and is told to stop", async () => {
  let told: AbortSignal | undefined;
  const endless = withTimeout(10, (signal) => {
    told = signal;
    return new Promise(() => {});
  });
  await expect(endless).rejects.toMatchObject({ name: "TimeoutError" });
  expect(told?.aborted).toBe(true);
});
