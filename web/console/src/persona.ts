import { reasonOf } from "@ostiary/client";
import { type DevSource, devSource } from "@ostiary/client/dev";
import { newRequestId } from "./requestid";
import { SignedIn } from "./signedin";

export interface Persona {
  name: string;
  title: string;
  description: string;
}

export async function listPersonas(): Promise<Persona[]> {
  const response = await fetch("/dev/personas");
  if (!response.ok) {
    throw new Error(((await response.json()) as { error?: string }).error ?? response.statusText);
  }
  return (await response.json()) as Persona[];
}

/** Who is signed in, kept for as long as the window is open: each window can be somebody else. */
interface Remembered {
  persona: string;
  ttl: string;
  session?: string | undefined;
}

const key = "ostiary.persona";

/** Signs in as a persona. Default of ttl: the persona's own. */
export async function becomePersona(persona: string, ttl: string): Promise<SignedIn> {
  const { signedIn, source } = start({ persona, ttl });
  await signedIn.source.getToken();
  sessionStorage.setItem(key, JSON.stringify({ persona, ttl, session: source.session } satisfies Remembered));
  return signedIn;
}

/**
 * Goes on as who this window was before it was loaded again. Whether there still
 * is such a persona turns out with the first call, as with any other end.
 */
export function rememberedPersona(): SignedIn | undefined {
  const text = sessionStorage.getItem(key);
  if (text === null) {
    return undefined;
  }
  try {
    return start(JSON.parse(text) as Remembered).signedIn;
  } catch {
    sessionStorage.removeItem(key); // not written by this page
    return undefined;
  }
}

function start({ persona, ttl, session }: Remembered): { signedIn: SignedIn; source: DevSource } {
  const source = devSource({
    issuer: location.origin,
    persona,
    ...(ttl === "" ? {} : { ttl }),
    ...(session === undefined ? {} : { session }),
  });
  const signedIn = new SignedIn(source, {
    forget: () => sessionStorage.removeItem(key),
    end: async (signal) => {
      if (source.session !== undefined) {
        const target = { case: "currentSession" as const, value: {} };
        await signedIn.sessions.revokeSession({ target, cause: "signed out", requestId: newRequestId() }, { signal }).catch(unlessRevoked);
      }
    },
    lasting: "The server could not be told: the session ends with its token.",
  });
  return { signedIn, source };
}

function unlessRevoked(error: unknown): void {
  if (reasonOf(error) !== "TOKEN_REVOKED") {
    throw error;
  }
}
