import type { DescField } from "@bufbuild/protobuf";
import { isReflectList, isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { RuleSource } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { type Rule, RuleSchema } from "@ostiary/client/gen/ostiary/policy/v1/policy_pb";

/** Writes a rule as the option of a method in a .proto file. */
export function optionOf(rule: Rule): string {
  return `option (ostiary.policy.v1.rule) = {\n${fieldsOf(reflect(RuleSchema, rule), "  ")}};`;
}

/** Writes the fields of a message that are set, in protobuf's text format. */
function fieldsOf(message: ReflectMessage, indent: string): string {
  return message.fields
    .filter((field) => message.isSet(field))
    .flatMap((field) => {
      const value: unknown = message.get(field);
      return (isReflectList(value) ? [...value] : [value]).map((one) => `${indent}${field.name}${valueOf(field, one, indent)}\n`);
    })
    .join("");
}

function valueOf(field: DescField, value: unknown, indent: string): string {
  if (isReflectMessage(value)) {
    const fields = fieldsOf(value, `${indent}  `);
    return fields === "" ? ": {}" : `: {\n${fields}${indent}}`;
  }
  if (field.enum !== undefined) {
    return `: ${field.enum.value[Number(value)]?.name ?? value}`;
  }
  return `: ${typeof value === "string" ? JSON.stringify(value) : value}`;
}

/** Says where a rule was declared. */
export function placeOf(source: RuleSource): string {
  switch (source) {
    case RuleSource.BUILT_IN:
      return "Built into the server.";
    case RuleSource.SERVICE:
      return "The default_rule of the service in its schema.";
    case RuleSource.METHOD:
      return "On the method in its schema.";
    case RuleSource.CODE:
      return "In the code of the server’s program.";
    case RuleSource.SETTINGS:
      return "In the settings of the server, which replace the schema’s.";
    default:
      return "The server does not say where it is declared.";
  }
}
