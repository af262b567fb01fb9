import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/app";
import { type Config, loadConfig } from "./app/config";
import { router } from "./app/router";
import { rememberedIssuer, takeArrival } from "./auth/oidc/pending";
import type { Arrived } from "./auth/oidc/signin";
import { rememberedPersona } from "./auth/personas";
import { Failure, Loading } from "./ui/failure";
import "./ui/tokens.css";
import "./ui/base.css";

const element = document.getElementById("root");
if (element === null) {
  throw new Error("index.html has no #root");
}
const root = createRoot(element);

const arrival = takeArrival(); // at once: nothing of it stays in the address

try {
  const config = await loadConfig();
  const arrived = await arrive(config);
  if (arrived !== undefined) {
    if (arrived.returnTo !== undefined) {
      router.history.replace(arrived.returnTo);
    }
    root.render(
      <StrictMode>
        <App config={config} initially={arrived.signedIn} why={arrived.notice} />
      </StrictMode>,
    );
  }
} catch (error) {
  root.render(
    <main>
      <Failure error={error} retry={() => location.reload()} />
    </main>,
  );
}

/** Who is signed in as the page is loaded; undefined where the browser is on its way to an issuer. The code for issuers is loaded where there are any. */
async function arrive(config: Config): Promise<Arrived | undefined> {
  if (arrival.answer === undefined && arrival.asked === undefined && rememberedIssuer.get() === undefined) {
    const signedIn = config.personas ? rememberedPersona() : undefined;
    return signedIn === undefined ? {} : { signedIn };
  }
  root.render(
    <main>
      <Loading />
    </main>,
  );
  const signIn = await import("./auth/oidc/signin");
  if (arrival.answer !== undefined || arrival.asked !== undefined) {
    return signIn.arrive(config, arrival);
  }
  return (await signIn.resume(config)) ? undefined : {};
}
