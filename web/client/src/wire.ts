import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A field of a message: bytes where it is a text or a message, a number where it is an enum. */
export interface Field {
  no: number;
  bytes: Uint8Array;
  number: number;
}

/** Reads the texts, messages and enums of a message without its schema, which pages need not carry; none where the bytes are no message. */
export function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [no, type] = reader.tag();
      if (type === WireType.LengthDelimited) {
        fields.push({ no, bytes: reader.bytes(), number: 0 });
      } else if (type === WireType.Varint) {
        fields.push({ no, bytes: new Uint8Array(), number: reader.int32() });
      } else {
        reader.skip(type, no);
      }
    }
  } catch {
    return [];
  }
  return fields;
}

/** Returns a field of type string; "" where it is not set. */
export function text(fields: Field[], no: number): string {
  return new TextDecoder().decode(fields.findLast((field) => field.no === no)?.bytes);
}
