"use client";
import type { Identity } from "../gen/ostiary/identity/v1/identity_pb.js";
import { useApi } from "./provider.js";
import { type StreamResult, useLive } from "./stream.js";

export interface IdentityResult extends Omit<StreamResult<never>, "message"> {
  /** The caller, as the server has verified them; undefined while that is not known, or nobody is signed in. */
  identity: Identity | undefined;
}

/**
 * Who the server takes the user for, and that the session still is good: by
 * WatchIdentity of ostiary's IdentityService, which the API must serve. All
 * components share one stream.
 *
 *     const { identity, state, error } = useIdentity();
 */
export function useIdentity(): IdentityResult {
  const { message, ...result } = useLive(useApi().identity);
  return { ...result, identity: result.state === "failed" ? undefined : message?.identity };
}
