import { fromJsonString, type Registry, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Transport } from "@connectrpc/connect";
import { type FieldViolation, fieldViolations, helpLink, reasonOf } from "@ostiary/client";
import { onSend } from "../api/wire";
import type { Api } from "./api";
import { type Callable, procedureOf } from "./schema";

/** What came of a call. */
export interface Attempt {
  /** When it began, by performance.now(). No two begin at the same time. */
  began: number;
  state: "running" | "done" | "stopped";
  /** What was sent; undefined before that. */
  request?: { url: string; headers: [name: string, value: string][]; body: string };
  headers: [name: string, value: string][];
  /** The latest messages, as JSON. */
  messages: string[];
  /** How many messages there were, and how many bytes they have as JSON. */
  count: number;
  bytes: number;
  /** How many milliseconds it took, or takes so far. */
  took: number;
  error?: {
    code: string;
    reason?: string | undefined;
    message: string;
    help: string | undefined;
    violations: FieldViolation[];
    /** Why the browser has no answer of a backend: it keeps it from the page, or it has none. */
    unanswered?: "refused" | "unreachable" | undefined;
  };
}

/** The most messages of a stream that are kept. */
const kept = 100;

/** Makes a call to a server with a body in JSON. onChange is told what has come of it so far. */
export async function attempt(
  { backend, url, registry }: Api,
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
    const input = read(method, body, registry);
    const json = { registry, prettySpaces: 2 };
    const sent = toJsonString(method.input, input, json);
    const request = { url: backend === "" ? procedureOf(method) : url + procedureOf(method), body: sent };
    const context = createContextValues().set(onSend, (headers) => change({ request: { ...request, headers: [...headers] } }));
    if (method.methodKind === "unary") {
      const response = await transport.unary(method, signal, undefined, undefined, input, context);
      change({ headers: [...response.header] });
      received(toJsonString(method.output, response.message, json));
    } else {
      const response = await transport.stream(method, signal, undefined, undefined, one(input), context);
      change({ headers: [...response.header] });
      for await (const message of response.message) {
        received(toJsonString(method.output, message, json));
      }
    }
    change({ state: "done" });
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    if (signal.aborted) {
      change({ state: "stopped" });
      return now;
    }
    const noAnswer = backend !== "" && error.cause instanceof TypeError && now.request !== undefined && now.headers.length === 0;
    const unanswered = noAnswer ? await whyUnanswered(url, signal) : undefined;
    change({
      state: "done",
      headers: now.headers.length > 0 ? now.headers : [...error.metadata],
      error: {
        code: Code[error.code],
        reason: reasonOf(error),
        message: error.rawMessage,
        help: helpLink(error),
        violations: fieldViolations(error),
        unanswered,
      },
    });
  }
  return now;
}

/** A page cannot see why it got no answer. A request whose answer nobody reads needs no permission, and tells whether there is a server. */
async function whyUnanswered(url: string, signal: AbortSignal): Promise<"refused" | "unreachable"> {
  try {
    await fetch(url, { mode: "no-cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", signal });
    return "refused";
  } catch {
    return "unreachable";
  }
}

function read(method: Callable, body: string, registry: Registry) {
  try {
    return fromJsonString(method.input, body.trim() === "" ? "{}" : body, { registry });
  } catch (cause) {
    throw new ConnectError(`the body is not a valid ${method.input.name}: ${(cause as Error).message}`, Code.InvalidArgument);
  }
}

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}
