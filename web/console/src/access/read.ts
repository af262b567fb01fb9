import type { CallOptions, Client } from "@connectrpc/connect";
import type { AccessExplanation, AccessService, Backend, MethodRule } from "@ostiary/client/gen/ostiary/access/v1/access_pb";

/** How many methods are asked for at a time: the most that the server gives. */
const pageSize = 1000;

/** What the server, and each backend by its schema, demands for each method, and what the caller lacks of it. */
export interface Access {
  backends: Backend[];
  rules: MethodRule[];
  explanations: AccessExplanation[];
}

/** Names a method among those of all servers. */
export function keyOf({ backend, procedure }: { backend: string; procedure: string }): string {
  return `${backend}${procedure}`;
}

/** Reads all pages of all lists. */
export async function readAccess(client: Client<typeof AccessService>, call: CallOptions): Promise<Access> {
  const [{ backends }, rules, explanations] = await Promise.all([client.listBackends({}, call), readRules(client, call), readExplanations(client, call)]);
  return { backends, rules, explanations };
}

/** Reads all pages of the rules. */
export function readRules(client: Client<typeof AccessService>, call: CallOptions): Promise<MethodRule[]> {
  return everyPage(async (pageToken) => {
    const { methodRules, nextPageToken } = await client.listMethodRules({ pageSize, pageToken }, call);
    return [methodRules, nextPageToken];
  });
}

/** Reads all pages of what the caller may call. */
export function readExplanations(client: Client<typeof AccessService>, call: CallOptions): Promise<AccessExplanation[]> {
  return everyPage(async (pageToken) => {
    const { explanations, nextPageToken } = await client.explainAccess({ pageSize, pageToken }, call);
    return [explanations, nextPageToken];
  });
}

/** Reads pages until there is no next one. */
async function everyPage<T>(read: (pageToken: string) => Promise<[page: T[], nextPageToken: string]>): Promise<T[]> {
  const all: T[] = [];
  let token = "";
  do {
    const [page, next] = await read(token);
    all.push(...page);
    token = next;
  } while (token !== "");
  return all;
}
