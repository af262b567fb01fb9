// A page with the hooks, in strict mode, whose address says who the user is.
import { TransportProvider, useQuery } from "@connectrpc/connect-query";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { devSource } from "../../src/dev.js";
import { IdentityService } from "../../src/gen/ostiary/identity/v1/identity_pb.js";
import { SessionService } from "../../src/gen/ostiary/session/v1/session_pb.js";
import { reasonOf } from "../../src/index.js";
import { ApiProvider, useApiClient, useApiTransport, useIdentity, useStream } from "../../src/react/index.js";
import { sharedSource } from "../../src/shared.js";

const { api = "", persona = "", session = "", ttl = "60s" } = Object.fromEntries(new URLSearchParams(location.search));
const source = sharedSource(devSource({ issuer: api, persona, session, ttl }), session);
const queries = new QueryClient();

function Page() {
  const [over, setOver] = useState("");
  return (
    <ApiProvider baseUrl={api} source={source} onSignedOut={(error) => setOver(`${over} ${reasonOf(error)}`)}>
      <p id="over">{over}</p>
      <button onClick={() => source.close()}>Close</button>
      <Identity id="first" />
      <Identity id="second" />
      <Sessions />
      <Query>
        <Queried />
      </Query>
    </ApiProvider>
  );
}

function Identity({ id }: { id: string }) {
  const { identity, state, error } = useIdentity();
  return <p id={id}>{`${identity?.subject} ${state} ${reasonOf(error) ?? ""}`}</p>;
}

function Sessions() {
  const client = useApiClient(SessionService);
  const [enabled, setEnabled] = useState(true);
  const [cause, setCause] = useState("");
  const [states, setStates] = useState<string[]>([]);
  // A request of the same values is the same, although each render makes another.
  const { state, restart } = useStream(SessionService.method.watchSessions, { resumeToken: "" }, { enabled, resume: ({ resumeToken }) => ({ resumeToken }) });
  if (states.at(-1) !== state) {
    setStates([...states, state]);
  }
  return (
    <>
      <p id="states">{states.join(" ")}</p>
      <input aria-label="Cause" value={cause} onChange={({ target }) => setCause(target.value)} />
      <button onClick={() => setEnabled(!enabled)}>Switch</button>
      <button onClick={restart}>Restart</button>
      <button onClick={() => void client.revokeSession({ target: { case: "currentSession", value: {} }, cause })}>End</button>
    </>
  );
}

function Query({ children }: { children: ReactNode }) {
  return (
    <TransportProvider transport={useApiTransport()}>
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    </TransportProvider>
  );
}

function Queried() {
  const { data } = useQuery(IdentityService.method.whoAmI);
  return <p id="queried">{data?.identity?.subject}</p>;
}

createRoot(document.body).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
