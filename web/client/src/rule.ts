import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { default_rule, rule, type Rule, StreamTerms_Lease } from "./gen/ostiary/policy/v1/policy_pb.js";

/**
 * Returns the rule that the schema puts on a method: its own, else its
 * service's default_rule, else undefined.
 */
export function ruleOf(method: DescMethod): Rule | undefined {
  if (hasOption(method, rule)) {
    return getOption(method, rule);
  }
  if (hasOption(method.parent, default_rule)) {
    return getOption(method.parent, default_rule);
  }
  return undefined;
}

/** Tells whether anybody may call a method, signed in or not. */
export function isPublic(method: DescMethod): boolean {
  return ruleOf(method)?.access.case === "public";
}

/** Tells whether the streams of a method end with their token, or with those that follow it. */
export function livesByLease(method: DescMethod): boolean {
  return ruleOf(method)?.stream?.lease !== StreamTerms_Lease.AT_OPEN;
}
