import { devSource } from "@ostiary/client";
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
  session?: string;
}

const key = "ostiary.persona";

/** Signs in as a persona. Default of ttl: the persona's own. */
export async function becomePersona(persona: string, ttl: string): Promise<SignedIn> {
  return start({ persona, ttl });
}

/** Goes on as who this window was before it was loaded again. */
export async function rememberedPersona(): Promise<SignedIn | undefined> {
  const text = sessionStorage.getItem(key);
  return text === null ? undefined : start(JSON.parse(text) as Remembered);
}

async function start({ persona, ttl, session }: Remembered): Promise<SignedIn> {
  const source = devSource({
    issuer: location.origin,
    persona,
    ...(ttl === "" ? {} : { ttl }),
    ...(session === undefined ? {} : { session }),
  });
  const forget = async () => sessionStorage.removeItem(key);
  const signOut = async () => {
    await forget();
    if (source.session !== undefined) {
      await signedIn.sessions.revokeSession({ cause: "signed out" });
    }
  };
  const signedIn = new SignedIn(source, { signOut, forget });
  if (session === undefined) {
    await signedIn.source.getToken();
    sessionStorage.setItem(key, JSON.stringify({ persona, ttl, session: source.session }));
  }
  return signedIn;
}
