import { useQuery } from "@tanstack/react-query";
import { useSignedIn } from "../auth/signedin";

/** A call that was made. It has no token. */
export interface Past {
  id: number;
  /** Empty for this server. */
  backend: string;
  procedure: string;
  body: string;
  /** Of the caller: see nameOf. */
  caller: string;
  outcome: string;
  failed: boolean;
  /** In milliseconds. */
  took: number;
}

/** How many calls are kept, until the user signs out or the page is loaded again. */
const kept = 20;

const key = ["try", "history"];

/** The calls of this window, the latest first, and what adds one. */
export function useHistory(): { past: Past[]; add: (call: Omit<Past, "id">) => void } {
  const { queries } = useSignedIn();
  const { data: past = [] } = useQuery<Past[]>({
    queryKey: key,
    queryFn: () => queries.getQueryData(key) ?? [],
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  });
  const add = (call: Omit<Past, "id">) =>
    queries.setQueryData<Past[]>(key, (before = []) => [{ ...call, id: (before[0]?.id ?? 0) + 1 }, ...before].slice(0, kept));
  return { past, add };
}
