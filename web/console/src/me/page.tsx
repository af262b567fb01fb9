import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { readClaims } from "@ostiary/client";
import type { Identity } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { TokenKind } from "@ostiary/client/gen/ostiary/policy/v1/policy_pb";
import { Link } from "@tanstack/react-router";
import { useNow } from "../api/clock";
import { useWatched } from "../app/watched";
import type { Watched } from "../auth/identity";
import { useLatestToken } from "../auth/signedin";
import { Loading } from "../ui/failure";
import { Grants } from "../ui/grants";
import { Head } from "../ui/head";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id, Words } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import styles from "./me.module.css";

/** Who the server takes the caller for. */
export function Me() {
  const watched = useWatched();
  const { identity } = watched;
  const { token } = useLatestToken();
  if (identity === undefined) {
    return (
      <div className={ui.page}>
        <Head title="Me" />
        <Loading />
      </div>
    );
  }
  const { organization, actor } = identity;
  return (
    <div className={`${ui.page} ${styles.page}`}>
      <Head title="Me">
        <p className={ui.quiet}>Who the server takes you for, from a token that it has verified.</p>
      </Head>
      <Lease watched={watched} />
      <div className={ui.columns}>
        <section className={ui.section} aria-labelledby="identity">
          <h2 id="identity">Identity</h2>
          <dl className={ui.facts}>
            <Fact name="Subject">
              <Id>{identity.subject}</Id>
            </Fact>
            <Fact name="Issuer">
              <Id>{identity.issuer}</Id>
            </Fact>
            <Fact name="Kind">
              <Badge>{TokenKind[identity.kind]?.toLowerCase() ?? "unknown"}</Badge>
            </Fact>
            <Fact name="Session">
              {identity.sessionId ? (
                <Link to="/sessions" search={{ subject: identity.subject, issuer: identity.issuer }}>
                  <Id>{identity.sessionId}</Id>
                </Link>
              ) : (
                <span className={ui.quiet}>none</span>
              )}
            </Fact>
            <Fact name="Organization">
              {organization ? (
                <>
                  <Id>{organization.slug || organization.id}</Id> as <Id>{organization.role}</Id>
                </>
              ) : (
                <span className={ui.quiet}>none</span>
              )}
            </Fact>
            {actor && (
              <Fact name="Impersonated by">
                <Id>{actor.subject}</Id>
              </Fact>
            )}
            {identity.clientId && (
              <Fact name="Client">
                <Id>{identity.clientId}</Id>
              </Fact>
            )}
            {identity.authorizedParty && (
              <Fact name="Application">
                <Id>{identity.authorizedParty}</Id>
              </Fact>
            )}
            {identity.audience.length > 0 && (
              <Fact name="Audience">
                <Words of={identity.audience} />
              </Fact>
            )}
            <Fact name="Issued">
              <Moment at={identity.issueTime} inFull />
            </Fact>
            <Fact name="Expires">
              <Moment at={identity.expireTime} inFull />
            </Fact>
            <Verification identity={identity} />
          </dl>
        </section>
        <div className={styles.granted}>
          <section className={ui.section} aria-labelledby="permissions">
            <h2 id="permissions">Permissions</h2>
            <dl className={ui.facts}>
              <Grants identity={identity} />
            </dl>
          </section>
          <section className={ui.section} aria-labelledby="claims">
            <h2 id="claims">Claims</h2>
            <details>
              <summary>The latest token's payload, as it is</summary>
              <pre tabIndex={0} aria-labelledby="claims">
                {showHidden(JSON.stringify(readClaims(token) ?? {}, null, 2))}
              </pre>
            </details>
          </section>
        </div>
      </div>
    </div>
  );
}

/** When and how the user has proved who they are, as far as the token says it. */
function Verification({ identity: { authTime, factorAges, acr, amr } }: { identity: Identity }) {
  return (
    <>
      {authTime && (
        <Fact name="Signed in">
          <Moment at={authTime} inFull />
        </Fact>
      )}
      {factorAges && <Fact name="First factor">{ageOf(factorAges.first)}</Fact>}
      {factorAges && <Fact name="Second factor">{ageOf(factorAges.second)}</Fact>}
      {acr && (
        <Fact name="Class">
          <Id>{acr}</Id>
        </Fact>
      )}
      {amr.length > 0 && (
        <Fact name="Methods">
          <Words of={amr} />
        </Fact>
      )}
    </>
  );
}

function ageOf(age: Duration | undefined): string {
  if (age === undefined) {
    return "never verified";
  }
  const minutes = Math.round(durationMs(age) / 60_000);
  return `verified ${minutes === 1 ? "a minute" : `${minutes} minutes`} before the token was issued`;
}

const streamStates: Record<Watched["stream"]["state"], string> = {
  off: "closed",
  queued: "waiting for another window to close",
  opening: "being opened",
  open: "open",
  waiting: "being opened again",
};

/** How long the token is still good, and how often it was replaced while the stream stayed open. */
function Lease({ watched }: { watched: Watched }) {
  const now = useNow();
  const { token, renewals } = useLatestToken();
  const { exp = 0, iat = 0 } = readClaims(token) ?? {};
  const lifetime = exp - iat;
  const left = Math.max(0, Math.min(lifetime, Math.ceil(exp - now / 1000)));
  return (
    <section className={styles.lease} aria-labelledby="lease">
      <div>
        <h2 id="lease">Token</h2>
        <p className={ui.quiet}>{renewals === 0 ? "Not renewed yet" : renewals === 1 ? "Renewed once" : `Renewed ${renewals} times`}</p>
      </div>
      <p className={styles.countdown} role="timer" aria-label="Time left">
        {left}
        <small> s</small>
      </p>
      <progress key={renewals} max={lifetime || 1} value={left} aria-label="Lifetime left" />
      <p className={ui.quiet}>
        The stream <code>WatchIdentity</code> is {streamStates[watched.stream.state]}; it has brought{" "}
        {watched.messages === 1 ? "one message" : `${watched.messages} messages`}.
      </p>
    </section>
  );
}
