import type { Backend } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { type Api, useApi, useBackends } from "./api";
import { CallAs } from "./callas";
import { type Caller, callerNamed } from "./caller";
import { Form } from "./form";
import { type Past, useHistory } from "./history";
import { History } from "./past";
import { callableOf, isCallable, methodNamed, procedureOf, template } from "./schema";
import styles from "./try.module.css";

const route = getRouteApi("/try");

const first = "/ostiary.identity.v1.IdentityService/WhoAmI";

/** Any call that a browser can make, as anybody, and what comes of it. */
export function Try() {
  const { backend: name = "", method } = route.useSearch();
  const navigate = route.useNavigate();
  const [caller, setCaller] = useState<Caller>({ who: "me" });
  const [again, setAgain] = useState<Past>();
  const { past, add } = useHistory();
  const { backends, isPending, error } = useBackends();
  const backend = backends.find((one) => one.name === name);
  const show = (search: { backend?: string | undefined; method?: string | undefined }) => navigate({ search, replace: true });
  const choose = (search: Parameters<typeof show>[0]) => {
    setAgain(undefined);
    void show(search);
  };
  return (
    <div className={`${ui.page} ${styles.page}`}>
      <Head title="Try">
        <p className={ui.quiet}>Call a method of this server{backends.length > 0 && ", or of a backend"}, as yourself or as somebody else.</p>
      </Head>
      {error && <Failure error={error} />}
      {(backends.length > 0 || name !== "") && (
        <div className={styles.what}>
          <label className={ui.field}>
            Server
            <select value={name} onChange={(event) => choose({ backend: event.target.value || undefined, method })}>
              <option value="">This server</option>
              {backend === undefined && name !== "" && <option value={name}>{showHidden(name)}</option>}
              {backends.map((one) => (
                <option key={one.name} value={one.name}>
                  {showHidden(one.name)}
                </option>
              ))}
            </select>
          </label>
          {backend !== undefined && backend.problem !== "" && <p className={ui.caution}>{backend.problem}</p>}
        </div>
      )}
      {name !== "" && backend === undefined ? (
        isPending ? (
          <Loading />
        ) : (
          <p className={ui.empty}>The settings of this server name no such backend, or not where browsers reach it.</p>
        )
      ) : (
        <Methods
          backend={backend}
          asked={method}
          onMethod={(procedure) => choose({ backend: name || undefined, method: procedure })}
          caller={caller}
          onCaller={setCaller}
          again={again}
          onDone={add}
        />
      )}
      <History
        past={past}
        onAgain={async (call) => {
          await show({ backend: call.backend || undefined, method: call.procedure });
          setAgain(call);
          setCaller((now) => (now.who === call.caller ? now : callerNamed(call.caller))); // a token is still in its field, or is not known any more
        }}
      />
    </div>
  );
}

interface Props {
  /** undefined for this server. */
  backend: Backend | undefined;
  /** The procedure that the address names. */
  asked: string | undefined;
  onMethod: (procedure: string) => void;
  caller: Caller;
  onCaller: (caller: Caller) => void;
  /** The earlier call whose body the form starts with. */
  again: Past | undefined;
  onDone: (call: Omit<Past, "id">) => void;
}

/** The methods of a server, and a call of one of them. */
function Methods({ backend, ...props }: Props) {
  const { api, error } = useApi(backend);
  if (error) {
    return backend === undefined ? (
      <Failure error={error} />
    ) : (
      <p className={ui.caution}>This page cannot use the schema of the backend: {showHidden(error.message)}</p>
    );
  }
  if (api === undefined) {
    return backend?.schemaDigest === "" ? null : <Loading />; // its problem is said
  }
  return <Call api={api} {...props} />;
}

function Call({ api, asked, onMethod, caller, onCaller, again, onDone }: Omit<Props, "backend"> & { api: Api }) {
  const method = methodNamed(asked, api.services) ?? methodNamed(first, api.services) ?? callableOf(api.services)[0];
  if (method === undefined) {
    return <p className={ui.empty}>The backend has no method that a browser can call.</p>;
  }
  const procedure = procedureOf(method);
  return (
    <div className={styles.layout}>
      <div className={styles.what}>
        <label className={ui.field}>
          Method
          <select value={procedure} onChange={(event) => onMethod(event.target.value)}>
            {api.services.map((service) => (
              <optgroup key={service.typeName} label={service.typeName}>
                {service.methods.filter(isCallable).map((m) => (
                  <option key={m.name} value={procedureOf(m)}>
                    {m.name}
                    {m.methodKind === "unary" ? "" : " (stream)"}
                  </option>
                ))}
              </optgroup>
            ))}
          </select>
        </label>
        <p>
          <Link to="/access" search={{ q: procedure }}>
            Who may call it
          </Link>
        </p>
        <CallAs caller={caller} onChange={onCaller} />
      </div>
      <Form
        key={`${api.backend} ${procedure} ${again?.id}`}
        api={api}
        method={method}
        caller={caller}
        initially={again?.body ?? template(method.input)}
        onDone={onDone}
      />
    </div>
  );
}
