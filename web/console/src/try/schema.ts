import type { DescField, DescMessage, DescMethod, DescMethodServerStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { AccessService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { DecisionService } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { StatusService } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { TokenService } from "@ostiary/client/gen/ostiary/token/v1/token_pb";

/** Those of this server. */
export const services: DescService[] = [IdentityService, SessionService, RevocationService, DecisionService, StatusService, TokenService, AccessService];

/** A method that a browser can call. */
export type Callable = DescMethodUnary | DescMethodServerStreaming;

export function isCallable(method: DescMethod): method is Callable {
  return method.methodKind === "unary" || method.methodKind === "server_streaming";
}

export function procedureOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export function methodNamed(procedure: string | undefined, among = services): Callable | undefined {
  return callableOf(among).find((method) => procedureOf(method) === procedure);
}

export function callableOf(among: DescService[]): Callable[] {
  return among.flatMap((service) => service.methods.filter(isCallable));
}

/**
 * A request with every field in it, as JSON to begin with. Where a field can be
 * unset it is null, which means the same: an empty value would mean something
 * else. Of each oneof there is the first case, without the values that it needs.
 * A message is not in itself again, and of a large one the later messages are null.
 */
export function template(message: DescMessage): string {
  return JSON.stringify(example(message, new Outline()), null, 2);
}

/** Bounds a template: messages can be in themselves, and a small schema can have a very large one. */
class Outline {
  #fields = 500;
  readonly #within: DescMessage[] = [];

  /** Returns what write does with the fields of a message; undefined where the message is left out. */
  of(message: DescMessage, write: () => unknown): unknown {
    if (this.#within.includes(message) || this.#within.length > 8 || message.fields.length > this.#fields) {
      return undefined;
    }
    this.#fields -= message.fields.length;
    this.#within.push(message);
    const written = write();
    this.#within.pop();
    return written;
  }
}

function example(message: DescMessage, outline: Outline): unknown {
  const first = message.fields.filter((field) => field.oneof === undefined || field.oneof.fields[0] === field);
  return outline.of(message, () => Object.fromEntries(first.map((field) => [field.jsonName, valueOf(field, outline)])));
}

/** A value of a field, as JSON to begin with. */
export function valueOf(field: DescField, outline = new Outline()): unknown {
  switch (field.fieldKind) {
    case "list":
      return field.listKind === "message" ? [example(field.message, outline)].filter((element) => element !== undefined) : [];
    case "map":
      return {};
    case "message":
      // Of a time, any that were given would be a wrong one.
      return field.message.file.proto.package === "google.protobuf" ? null : (example(field.message, outline) ?? null);
    case "enum":
      return field.enum.typeName === "google.protobuf.NullValue" ? null : (field.enum.values[0]?.name ?? null);
    case "scalar":
      return field.presence === FeatureSet_FieldPresence.EXPLICIT && field.oneof === undefined ? null : scalar(field.scalar);
  }
}

function scalar(type: ScalarType): unknown {
  switch (type) {
    case ScalarType.BOOL:
      return false;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "";
    default:
      return 0;
  }
}

/**
 * Whether a call may do more than to read: of the methods of this server, those that revoke. ExplainToken
 * only reads, and its schema does not say so, since the token would then be in the URL of a GET.
 */
export function changes(method: Callable): boolean {
  return method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS && method !== TokenService.method.explainToken;
}

/** The names, in JSON, of what a request can revoke: the cases of the oneof `target` in it. */
export function targetsOf(message: DescMessage): string[] {
  const target = message.oneofs.find(({ name }) => name === "target");
  if (target !== undefined) {
    return target.fields.map(({ jsonName }) => jsonName);
  }
  return message.fields.flatMap((field) => (field.message === undefined ? [] : targetsOf(field.message)));
}
