import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { Head } from "../ui/head";
import ui from "../ui/ui.module.css";
import { CallAs } from "./callas";
import { type Caller, callerNamed } from "./caller";
import { Form } from "./form";
import { useHistory } from "./history";
import { History } from "./past";
import { isCallable, methodNamed, procedureOf, services, template } from "./schema";
import styles from "./try.module.css";

const route = getRouteApi("/try");

const first = "/ostiary.identity.v1.IdentityService/WhoAmI";

/** Any call that a browser can make, as anybody, and what comes of it. */
export function Try() {
  const { method: asked } = route.useSearch();
  const navigate = route.useNavigate();
  const method = methodNamed(asked) ?? methodNamed(first);
  const [caller, setCaller] = useState<Caller>({ who: "me" });
  const [again, setAgain] = useState<{ id: number; body: string }>();
  const { past, add } = useHistory();
  const show = (procedure: string) => navigate({ search: { method: procedure }, replace: true });
  return (
    <div className={`${ui.page} ${styles.page}`}>
      <Head title="Try">
        <p className={ui.quiet}>Call a method of this server, as yourself or as somebody else.</p>
      </Head>
      {method && (
        <>
          <div className={styles.what}>
            <label className={ui.field}>
              Method
              <select
                value={procedureOf(method)}
                onChange={(event) => {
                  setAgain(undefined);
                  void show(event.target.value);
                }}
              >
                {services.map((service) => (
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
              <Link to="/access" search={{ q: procedureOf(method) }}>
                Who may call it
              </Link>
            </p>
            <CallAs caller={caller} onChange={setCaller} />
          </div>
          <Form key={`${procedureOf(method)} ${again?.id}`} method={method} caller={caller} initially={again?.body ?? template(method.input)} onDone={add} />
          <History
            past={past}
            onAgain={async ({ id, procedure, body, caller: name }) => {
              await show(procedure);
              setAgain({ id, body });
              setCaller((now) => (now.who === name ? now : callerNamed(name))); // a token is still in its field, or is not known any more
            }}
          />
        </>
      )}
    </div>
  );
}
