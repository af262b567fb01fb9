import { reasonOf } from "@ostiary/client";
import { type DevSource, devSource } from "@ostiary/client/dev";
import * as v from "valibot";
import { get } from "../api/get";
import { newRequestId } from "../api/requestid";
import { SignedIn } from "./signedin";

const personas = v.array(v.object({ name: v.string(), title: v.string(), description: v.string() }));

export type Persona = v.InferOutput<typeof personas>[number];

export async function listPersonas(): Promise<Persona[]> {
  const response = await get("/dev/personas");
  const answer: unknown = await response.json();
  if (!response.ok) {
    throw new Error(v.is(v.object({ error: v.string() }), answer) ? answer.error : response.statusText);
  }
  return v.parse(personas, answer);
}

/** Who is signed in, kept for as long as the window is open: each window can be somebody else. */
const remembered = v.object({ persona: v.string(), ttl: v.string(), session: v.optional(v.string()) });
type Remembered = v.InferOutput<typeof remembered>;

const storageKey = "ostiary.persona";

/** Signs in as a persona. An empty ttl means the persona's own. */
export async function signInAs(persona: string, ttl: string): Promise<SignedIn> {
  const { signedIn, source } = start({ persona, ttl });
  await signedIn.source.getToken();
  sessionStorage.setItem(storageKey, JSON.stringify({ persona, ttl, session: source.session } satisfies Remembered));
  return signedIn;
}

/**
 * Returns who was signed in before the window was loaded again. Whether the
 * persona still exists, and the session goes on, shows with the first call.
 */
export function rememberedPersona(): SignedIn | undefined {
  const stored = read();
  if (stored === undefined) {
    sessionStorage.removeItem(storageKey); // this version of the page has not written it
    return undefined;
  }
  return start(stored).signedIn;
}

/** The name of the persona who is signed in. */
export function personaOfWindow(): string | undefined {
  return read()?.persona;
}

function read(): Remembered | undefined {
  const stored = v.safeParse(v.pipe(v.string(), v.parseJson(), remembered), sessionStorage.getItem(storageKey));
  return stored.success ? stored.output : undefined;
}

function start({ persona, ttl, session }: Remembered): { signedIn: SignedIn; source: DevSource } {
  const source = devSource({
    issuer: location.origin,
    persona,
    ...(ttl === "" ? {} : { ttl }),
    ...(session === undefined ? {} : { session }),
  });
  const signedIn = new SignedIn(source, {
    forget: () => sessionStorage.removeItem(storageKey),
    end: async (signal) => {
      if (source.session !== undefined) {
        const target = { case: "currentSession" as const, value: {} };
        const request = { target, cause: "signed out", requestId: newRequestId() };
        await signedIn.sessions.revokeSession(request, { signal }).catch(unlessRevoked);
      }
    },
    goesOn: "The server could not be told: the session ends with its token.",
  });
  return { signedIn, source };
}

function unlessRevoked(error: unknown): void {
  if (reasonOf(error) !== "TOKEN_REVOKED") {
    throw error;
  }
}
