import type { DescMethod } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type Field, readFields } from "./wire.js";

/** The number of the options ostiary.policy.v1.rule and default_rule. */
const option = 1517;

/** LEASE_AT_OPEN of ostiary.policy.v1.StreamTerms.Lease. */
const leaseAtOpen = 3;

/** Tells whether anybody may call a method, signed in or not. */
export function isPublic(method: DescMethod): boolean {
  // public, authenticated or require: the last of a oneof counts.
  return ruleOf(method).findLast(({ no }) => no <= 3)?.no === 1;
}

/** Tells whether the streams of a method end with their token, or with those that follow it. */
export function livesByLease(method: DescMethod): boolean {
  const terms = ruleOf(method).flatMap(({ no, bytes }) => (no === 4 ? readFields(bytes) : []));
  return terms.findLast(({ no }) => no === 1)?.number !== leaseAtOpen;
}

/**
 * Returns the rule that the schema puts on a method: its own, else its service's
 * default_rule, else none. An option is unknown to all but those who generated its schema.
 */
function ruleOf(method: DescMethod): Field[] {
  for (const { proto } of [method, method.parent]) {
    const found = (proto.options?.$unknown ?? []).filter(({ no }) => no === option);
    if (found.length > 0) {
      return found.flatMap(({ data }) => readFields(new BinaryReader(data).bytes()));
    }
  }
  return [];
}
