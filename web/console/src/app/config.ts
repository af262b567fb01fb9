import * as v from "valibot";
import { noteServerTime } from "../api/clock";
import { get } from "../api/get";
import { signInSchema } from "../auth/oidc/issuer";

const schema = v.object({
  version: v.string(),
  personas: v.boolean(),
  clerk: v.optional(v.object({ publishableKey: v.string(), frontendApi: v.pipe(v.string(), v.url()) })),
  signIns: v.optional(v.array(signInSchema)),
});

/**
 * What the server says about itself at /console/config.json: its version, whether
 * it has a development issuer with personas, Clerk's key and address where
 * users sign in with Clerk, and the issuers where they sign in with OpenID Connect.
 */
export type Config = v.InferOutput<typeof schema>;

/** Where the documentation is. */
export const documentation = "https://github.com/ostiary/ostiary/blob/main/docs";

export function parseConfig(value: unknown): Config {
  const result = v.safeParse(schema, value);
  if (!result.success) {
    throw new Error(`/console/config.json is not valid: ${v.summarize(result.issues)}`);
  }
  return result.output;
}

export async function loadConfig(): Promise<Config> {
  const response = await get("/console/config.json");
  if (!response.ok) {
    throw new Error(`/console/config.json: ${response.status}`);
  }
  noteServerTime(response.headers.get("Date"));
  return parseConfig(await response.json());
}
