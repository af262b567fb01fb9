import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Transport } from "@connectrpc/connect";
import { type FieldViolation, fieldViolations, helpLink, reasonOf } from "@ostiary/client";
import { onSend } from "../api/wire";
import type { Callable } from "./schema";

/** What came of a call. */
export interface Attempt {
  state: "running" | "done" | "stopped";
  /** What was sent; undefined before that. */
  request?: { headers: [name: string, value: string][]; body: string };
  headers: [name: string, value: string][];
  messages: string[];
  error?: { code: string; reason?: string | undefined; message: string; help: string | undefined; violations: FieldViolation[] };
}

/** The most messages of a stream that are kept. */
const kept = 100;

/** Makes a call with a body in JSON. onChange is told what has come of it so far. */
export async function attempt(transport: Transport, method: Callable, body: string, signal: AbortSignal, onChange: (attempt: Attempt) => void): Promise<void> {
  let now: Attempt = { state: "running", headers: [], messages: [] };
  const change = (part: Partial<Attempt>) => onChange((now = { ...now, ...part }));
  change({});
  try {
    const input = read(method, body);
    const sent = toJsonString(method.input, input, { prettySpaces: 2 });
    const context = createContextValues().set(onSend, (headers) => change({ request: { headers: [...headers], body: sent } }));
    if (method.methodKind === "unary") {
      const response = await transport.unary(method, signal, undefined, undefined, input, context);
      change({ headers: [...response.header], messages: [toJsonString(method.output, response.message, { prettySpaces: 2 })] });
    } else {
      const response = await transport.stream(method, signal, undefined, undefined, one(input), context);
      change({ headers: [...response.header] });
      for await (const message of response.message) {
        change({ messages: [...now.messages, toJsonString(method.output, message, { prettySpaces: 2 })].slice(-kept) });
      }
    }
    change({ state: "done" });
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (signal.aborted) {
      change({ state: "stopped" });
      return;
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
