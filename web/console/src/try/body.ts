import { type DescField, type DescMessage, fromJsonString } from "@bufbuild/protobuf";
import { getLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { valueOf } from "./schema";

const strict = { disallowComments: true, allowTrailingComma: false };

/** What is wrong with a body, and where that is in its text, if that is known. */
export interface Fault {
  message: string;
  from?: number;
  to?: number;
}

/** Returns what is wrong with a body for a message in JSON; undefined where nothing is. */
export function faultOf(message: DescMessage, body: string): Fault | undefined {
  if (body.trim() === "") {
    return undefined; // it counts as {}
  }
  const errors: ParseError[] = [];
  const tree = parseTree(body, errors, strict);
  const error = errors[0];
  if (error !== undefined || tree === undefined) {
    const what =
      error === undefined
        ? "not JSON"
        : printParseErrorCode(error.error)
            .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
            .toLowerCase();
    const from = error?.offset ?? 0;
    return { message: `it is not JSON: ${what}`, from, to: from + Math.max(error?.length ?? 0, 1) };
  }
  const unknown = unknownIn(message, tree);
  if (unknown !== undefined) {
    return unknown;
  }
  try {
    fromJsonString(message, body);
    return undefined;
  } catch (cause) {
    return { message: (cause as Error).message };
  }
}

/** Finds the first field, or value of an enum, that the schema does not have. */
function unknownIn(message: DescMessage, node: Node): Fault | undefined {
  if (message.typeName.startsWith("google.protobuf.")) {
    return undefined; // most have a form of their own in JSON
  }
  if (node.type !== "object") {
    return { message: `a ${message.name} is an object`, ...placeOf(node) };
  }
  const seen = new Map<string, string>();
  for (const { children: [key, value] = [] } of node.children ?? []) {
    if (key === undefined || value === undefined) {
      continue;
    }
    const field = fieldNamed(message, key.value);
    if (field === undefined) {
      return { message: `${message.name} has no field ${JSON.stringify(key.value)}`, ...placeOf(key) };
    }
    const group = field.oneof?.name ?? field.name;
    const other = seen.get(group);
    if (other !== undefined && value.type !== "null") {
      const why =
        field.oneof === undefined ? `"${other}" is there twice` : `only one of ${field.oneof.fields.map(({ jsonName }) => jsonName).join(", ")} can be set`;
      return { message: why, ...placeOf(key) };
    }
    if (value.type !== "null") {
      seen.set(group, key.value);
    }
    const fault = unknownInValue(field, value);
    if (fault !== undefined) {
      return fault;
    }
  }
  return undefined;
}

function unknownInValue(field: DescField, value: Node): Fault | undefined {
  const elements = field.fieldKind === "list" && value.type === "array" ? (value.children ?? []) : [value];
  for (const element of elements) {
    if (field.message !== undefined && field.fieldKind !== "map" && element.type !== "null") {
      const fault = unknownIn(field.message, element);
      if (fault !== undefined) {
        return fault;
      }
    }
    if (field.enum !== undefined && element.type === "string" && !field.enum.values.some(({ name }) => name === element.value)) {
      return { message: `${field.enum.name} has no value ${JSON.stringify(element.value)}`, ...placeOf(element) };
    }
  }
  return undefined;
}

function placeOf({ offset, length }: Node): { from: number; to: number } {
  return { from: offset, to: offset + length };
}

function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.jsonName === name || field.name === name);
}

/** What can be put at a place of a body. */
export interface Completion {
  /** The name of a field, or a value. */
  label: string;
  /** Of a field, what it holds. */
  type?: string;
  /** The part of the text that it replaces. */
  from: number;
  to: number;
  text: string;
}

/** Returns what can be at an offset of a body: the fields that are not there yet, or the values of an enum or a bool. */
export function completionsAt(message: DescMessage, body: string, offset: number): Completion[] {
  const location = getLocation(body, offset);
  const tree = parseTree(body, [], strict);
  const word = location.previousNode;
  const within = word !== undefined && word.offset <= offset && offset <= word.offset + word.length;
  const [from, to] = within ? [word.offset, word.offset + word.length] : [offset, offset];
  if (location.isAtPropertyKey) {
    const inside = descend(message, location.path.slice(0, -1));
    if (inside === undefined || "field" in inside) {
      return [];
    }
    const there = new Set(keysAround(tree, offset));
    const free = inside.message.fields.filter(
      (field) => !(field.oneof?.fields ?? [field]).some(({ jsonName, name }) => there.has(jsonName) || there.has(name)),
    );
    const after = body.slice(to);
    const hasValue = within && /^\s*:/.test(after);
    const separator = /^\s*"/.test(after) ? "," : "";
    return free.map((field) => ({
      label: field.jsonName,
      type: typeOf(field),
      from,
      to,
      text: hasValue ? JSON.stringify(field.jsonName) : `${JSON.stringify(field.jsonName)}: ${JSON.stringify(valueOf(field))}${separator}`,
    }));
  }
  const at = descend(message, location.path);
  if (at === undefined || !("field" in at)) {
    return [];
  }
  const values = at.field.enum?.values.map(({ name }) => JSON.stringify(name)) ?? (typeOf(at.field).endsWith("bool") ? ["true", "false"] : []);
  return values.map((text) => ({ label: text.replaceAll('"', ""), from, to, text }));
}

/** Returns what is at a path: a message, or a field that holds none. */
function descend(message: DescMessage, path: (string | number)[]): { message: DescMessage } | { field: DescField } | undefined {
  let at: { message: DescMessage } | { field: DescField } = { message };
  for (const step of path) {
    if (typeof step === "number") {
      continue; // an element of a list
    }
    const field: DescField | undefined = "message" in at ? fieldNamed(at.message, step) : undefined;
    if (field === undefined) {
      return undefined;
    }
    at =
      field.message === undefined || field.fieldKind === "map" || field.message.typeName.startsWith("google.protobuf.")
        ? { field }
        : { message: field.message };
  }
  return at;
}

/** Returns the names in the innermost object around an offset, but for one that the offset is in. */
function keysAround(node: Node | undefined, offset: number): string[] {
  if (node === undefined || offset < node.offset || offset > node.offset + node.length) {
    return [];
  }
  for (const child of node.children ?? []) {
    const value = child.type === "property" ? child.children?.[1] : child;
    if (value !== undefined && (value.type === "object" || value.type === "array") && offset > value.offset && offset < value.offset + value.length) {
      return keysAround(value, offset);
    }
  }
  return (node.children ?? []).flatMap(({ children: [key] = [] }) =>
    key === undefined || (key.offset <= offset && offset <= key.offset + key.length) ? [] : [String(key.value)],
  );
}

/** Says what a field holds. */
export function typeOf(field: DescField): string {
  const of = field.fieldKind === "map" ? "map" : (field.message?.name ?? field.enum?.name ?? scalarNames[field.scalar ?? 0] ?? "value");
  return field.fieldKind === "list" ? `list of ${of}` : of;
}

/** The scalar types by their numbers (google.protobuf.FieldDescriptorProto.Type). */
const scalarNames: Record<number, string> = {
  1: "double",
  2: "float",
  3: "int64",
  4: "uint64",
  5: "int32",
  6: "fixed64",
  7: "fixed32",
  8: "bool",
  9: "string",
  12: "bytes",
  13: "uint32",
  15: "sfixed32",
  16: "sfixed64",
  17: "sint32",
  18: "sint64",
};
