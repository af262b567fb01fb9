import type { DescMessage, DescMethod, DescMethodServerStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { PolicyService } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { IdentityService } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { RevocationService } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { SessionService } from "@ostiary/client/gen/ostiary/session/v1/session_pb";

export const services: DescService[] = [IdentityService, SessionService, RevocationService, PolicyService];

/** A method that a browser can call. */
export type Callable = DescMethodUnary | DescMethodServerStreaming;

export function isCallable(method: DescMethod): method is Callable {
  return method.methodKind === "unary" || method.methodKind === "server_streaming";
}

export function procedureOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export function methodNamed(procedure: string | null): Callable | undefined {
  return services.flatMap((service) => service.methods.filter(isCallable)).find((method) => procedureOf(method) === procedure);
}

/** A request with every field in it, as JSON to begin with. */
export function template(message: DescMessage): string {
  return JSON.stringify(example(message, 0), null, 2);
}

function example(message: DescMessage, depth: number): unknown {
  if (message.typeName === "google.protobuf.Timestamp") {
    return undefined; // any time given would be a wrong one
  }
  const chosen = new Set<string>(); // of each oneof, the first
  const entries = message.fields.flatMap((field) => {
    if (field.oneof !== undefined) {
      if (chosen.has(field.oneof.name)) {
        return [];
      }
      chosen.add(field.oneof.name);
    }
    switch (field.fieldKind) {
      case "list":
        return [[field.jsonName, []]];
      case "map":
        return [[field.jsonName, {}]];
      case "message":
        return depth > 2 ? [] : [[field.jsonName, example(field.message, depth + 1)]];
      case "enum":
        return [[field.jsonName, field.enum.values[0]?.name]];
      case "scalar":
        return [[field.jsonName, scalar(field.scalar)]];
    }
  });
  return Object.fromEntries(entries);
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
