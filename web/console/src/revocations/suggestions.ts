import { SessionOrder } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useQuery } from "@tanstack/react-query";
import { useSignedIn } from "../auth/signedin";

/** In how many sessions clients are looked for. */
const pageSize = 1000;

/** What is read once, when the form asks for it. A form without suggestions is as good: nothing says where they cannot be read. */
const once = { staleTime: Number.POSITIVE_INFINITY, gcTime: 0, retry: false };

/** The issuers whose tokens the server accepts. */
export function useIssuers(): string[] {
  const { status } = useSignedIn();
  const { data = [] } = useQuery({
    queryKey: ["suggested issuers"],
    queryFn: async ({ signal }) => (await status.getStatus({}, { signal })).status?.issuers.map(({ issuer }) => issuer) ?? [],
    ...once,
  });
  return data;
}

/** The clients of an issuer, in the sessions that were used last. */
export function useClients(issuer: string, enabled: boolean): string[] {
  const { sessions } = useSignedIn();
  const { data = [] } = useQuery({
    queryKey: ["suggested clients"],
    queryFn: async ({ signal }) => (await sessions.listSessions({ order: SessionOrder.LAST_SEEN_DESC, pageSize }, { signal })).sessions,
    enabled,
    ...once,
  });
  const ofIssuer = data.filter(({ session }) => session?.issuer === issuer);
  const clients = new Set(ofIssuer.flatMap(({ sightings }) => sightings.map(({ clientId }) => clientId)));
  clients.delete("");
  return [...clients].sort();
}
