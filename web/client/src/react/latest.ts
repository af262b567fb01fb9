"use client";
import { type RefObject, useInsertionEffect, useRef } from "react";

/** Holds what the latest render was given, for callbacks, so that a new function is no reason to begin anew. */
export function useLatest<T>(value: T): RefObject<T> {
  const ref = useRef(value);
  useInsertionEffect(() => {
    ref.current = value;
  });
  return ref;
}
