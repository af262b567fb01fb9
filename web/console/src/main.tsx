import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/app";
import { loadConfig } from "./app/config";
import { rememberedPersona } from "./auth/personas";
import { Failure } from "./ui/failure";
import "./ui/tokens.css";
import "./ui/base.css";

const element = document.getElementById("root");
if (element === null) {
  throw new Error("index.html has no #root");
}
const root = createRoot(element);

try {
  const config = await loadConfig();
  const initially = config.personas ? rememberedPersona() : undefined;
  root.render(
    <StrictMode>
      <App config={config} initially={initially} />
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <main>
      <Failure error={error} retry={() => location.reload()} />
    </main>,
  );
}
