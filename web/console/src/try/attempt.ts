import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Transport } from "@connectrpc/connect";
import { type FieldViolation, fieldViolations, helpLink, reasonOf } from "@ostiary/client";
import { onSend } from "../api/wire";
import type { Callable } from "./schema";

/** What came of a call. */
export interface Attempt {
  /** When it began, by performance.now(). No two begin at the same time. */
  began: number;
  state: "running" | "done" | "stopped";
  /** What was sent; undefined before that. */
  request?: { headers: [name: string, value: string][]; body: string };
  headers: [name: string, value: string][];
  /** The latest messages, as JSON. */
  messages: string[];
  /** How many messages there were, and how many bytes they have as JSON. */
  count: number;
  bytes: number;
  /** How many milliseconds it took, or takes so far. */
  took: number;
  error?: { code: string; reason?: string | undefined; message: string; help: string | undefined; violations: FieldViolation[] };
}

/** The most messages of a stream that are kept. */
const kept = 100;

/** Makes a call with a body in JSON. onChange is told what has come of it so far. */
export async function attempt(
  transport: Transport,
  method: Callable,
  body: string,
  signal: AbortSignal,
  onChange: (attempt: Attempt) => void,
): Promise<Attempt> {
  const began = performance.now();
  let now: Attempt = { began, state: "running", headers: [], messages: [], count: 0, bytes: 0, took: 0 };
  const change = (part: Partial<Attempt>) => {
    now = { ...now, ...part, took: performance.now() - began };
    onChange(now);
  };
  const received = (message: string) =>
    change({ messages: [...now.messages, message].slice(-kept), count: now.count + 1, bytes: now.bytes + new Blob([message]).size });
  change({});
  try {
    const input = read(method, body);
    const sent = toJsonString(method.input, input, { prettySpaces: 2 });
    const context = createContextValues().set(onSend, (headers) => change({ request: { headers: [...headers], body: sent } }));
    if (method.methodKind === "unary") {
      const response = await transport.unary(method, signal, undefined, undefined, input, context);
      change({ headers: [...response.header] });
      received(toJsonString(method.output, response.message, { prettySpaces: 2 }));
    } else {
      const response = await transport.stream(method, signal, undefined, undefined, one(input), context);
      change({ headers: [...response.header] });
      for await (const message of response.message) {
        received(toJsonString(method.output, message, { prettySpaces: 2 }));
      }
    }
    change({ state: "done" });
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (signal.aborted) {
      change({ state: "stopped" });
      return now;
    }
    change({
      state: "done",
      headers: now.headers.length > 0 ? now.headers : [...error.metadata],
      error: {
        code: Code[error.code],
        reason: reasonOf(error),
        message: error.rawMessage,
        help: helpLink(error),
        violations: fieldViolations(error),
      },
    });
  }
  return now;
}

function read(method: Callable, body: string) {
  try {
    return fromJsonString(method.input, body.trim() === "" ? "{}" : body);
  } catch (cause) {
    throw new ConnectError(`the body is not a valid ${method.input.name}: ${(cause as Error).message}`, Code.InvalidArgument);
  }
}

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}
