import { useMutation } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Config } from "../app/config";
import { Failure } from "../ui/failure";
import { Id } from "../ui/names";
import { CopyButton } from "../ui/snippet";
import ui from "../ui/ui.module.css";
import { type Issuer, nameOf, redirectURI } from "./oidc/issuer";
import styles from "./signin.module.css";

type SignIns = NonNullable<Config["signIns"]>;

/** The issuers to sign in at with OpenID Connect. The code for that is loaded when it is needed. */
export function Issuers({ of }: { of: SignIns }) {
  const leave = useMutation({
    mutationFn: async (issuer: Issuer) => (await import("./oidc/signin")).goToIssuer(issuer),
  });
  // A page that the browser has kept, and shows again, waits for nothing.
  useEffect(() => {
    const onShow = ({ persisted }: PageTransitionEvent) => persisted && location.reload();
    addEventListener("pageshow", onShow);
    return () => removeEventListener("pageshow", onShow);
  }, []);
  return (
    <>
      {leave.isError && <Failure error={leave.error} />}
      <ul className={styles.issuers} aria-label="Issuers">
        {of.map((issuer) => (
          <li key={issuer.issuer}>
            {issuer.metadata === undefined ? (
              <Unavailable issuer={issuer} />
            ) : (
              <button
                type="button"
                className={ui.primary}
                disabled={leave.isPending || leave.isSuccess}
                onClick={() => leave.mutate({ ...issuer, metadata: issuer.metadata } as Issuer)}
              >
                Sign in with {nameOf(issuer.issuer)}
              </button>
            )}
          </li>
        ))}
      </ul>
      <details className={styles.instead}>
        <summary>For operators: what to register at {of.length === 1 ? "the issuer" : "each issuer"}</summary>
        <p className={ui.quiet}>
          The redirect URI, and the post-logout redirect URI, of this console's client. Register it exactly so: with a wildcard, one issuer could take the
          sign-in at another.
        </p>
        <dl className={ui.facts}>
          {of.map((issuer) => (
            <div key={issuer.issuer}>
              <dt>
                {nameOf(issuer.issuer)}, client <Id>{issuer.clientId}</Id>
              </dt>
              <dd>
                <code>{redirectURI(issuer)}</code> <CopyButton text={redirectURI(issuer)} />
              </dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}

/** An issuer that nobody can sign in at now, and why. */
function Unavailable({ issuer: { issuer, problem } }: { issuer: SignIns[number] }) {
  return (
    <div className={ui.notice} role="alert">
      <p>
        <strong>Nobody can sign in with {nameOf(issuer)} now.</strong>
      </p>
      <p className={ui.quiet}>{problem}</p>
      <button type="button" onClick={() => location.reload()}>
        Try again
      </button>
    </div>
  );
}
