import { type AccessExplanation, AccessOutcome } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { useQuery } from "@tanstack/react-query";
import { permittedKey, useSignedIn } from "../auth/signedin";
import { pages } from "./pages";

const needed = pages.flatMap(({ needs }) => (needs === undefined ? [] : [needs]));

/** The pages that the caller may use. A server that does not explain access hides those that need a permission. */
export function usePages(enabled: boolean): typeof pages {
  const { access } = useSignedIn();
  const { data = [] } = useQuery({
    queryKey: permittedKey,
    queryFn: async ({ signal }) => (await access.explainAccess({ procedures: needed }, { signal })).explanations,
    enabled,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return pagesOf(data);
}

/** The pages that are permitted by what is explained. A backend may have the same methods: what it permits is not of this server. */
export function pagesOf(explanations: AccessExplanation[]): typeof pages {
  const met = explanations.filter(({ backend, outcome }) => backend === "" && outcome !== AccessOutcome.UNMET);
  const permitted = new Set(met.map(({ procedure }) => procedure));
  return pages.filter(({ needs }) => needs === undefined || permitted.has(needs));
}

/** Whether the caller is an operator: those may watch decisions. */
export function useOperator(): boolean {
  return usePages(true).some(({ to }) => to === "/decisions");
}
