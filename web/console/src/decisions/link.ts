import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type Decision, DecisionSchema } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";

const fragments = new WeakMap<Decision, string>();

/**
 * A decision as the fragment of an address, so that a link shows it although the
 * server keeps none. Browsers send no fragment to a server.
 */
export function toFragment(decision: Decision): string {
  const fragment = fragments.get(decision) ?? base64Encode(toBinary(DecisionSchema, decision), "url");
  fragments.set(decision, fragment); // tables ask again and again
  return fragment;
}

/** Reads what toFragment has written; undefined where a fragment is something else. */
export function fromFragment(fragment: string): Decision | undefined {
  try {
    return fragment === "" ? undefined : fromBinary(DecisionSchema, base64Decode(fragment));
  } catch {
    return undefined;
  }
}
