/** What the server says about itself at /console/config.json. */
export interface Config {
  /** There is a development issuer on this very server. */
  personas: boolean;
  /** Clerk is where users sign in. */
  clerk?: {
    publishableKey: string;
    /** Where Clerk's own code is served, such as https://clerk.example.com. */
    frontendApi: string;
  };
}

export async function loadConfig(): Promise<Config> {
  const response = await fetch("/console/config.json");
  if (!response.ok) {
    throw new Error(`/console/config.json: ${response.status}`);
  }
  return (await response.json()) as Config;
}
