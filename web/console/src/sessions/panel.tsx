import { type Session, SessionState, type Sighting } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { Link } from "@tanstack/react-router";
import { useOperator } from "../app/permitted";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id } from "../ui/names";
import { Panel } from "../ui/panel";
import { CopyButton } from "../ui/snippet";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { browserOf } from "../ui/useragent";
import { Ended } from "./ended";
import { ownService } from "./filter";
import { keyOf, stateOf, subjectOf } from "./names";
import styles from "./sessions.module.css";
import { rowId } from "./table";

interface Props {
  session: Session;
  /** It is the session of this window. */
  current: boolean;
  onEnd: () => void;
  /** Ends all sessions of the subject; undefined where the caller may not. */
  onEndAll: (() => void) | undefined;
  onClose: () => void;
}

/** The details of a session. */
export function SessionPanel({ session, current, onEnd, onEndAll, onClose }: Props) {
  const key = keyOf(session.session);
  const subject = subjectOf(session.session);
  const issuer = session.session?.issuer ?? "";
  const id = session.session?.sessionId ?? "";
  const operator = useOperator();
  const { name: state, tone } = stateOf(session);
  const close = () => {
    onClose();
    document.getElementById(rowId(key))?.focus();
  };
  const title = (
    <>
      <bdi>{showHidden(subject)}</bdi> <Badge tone={tone}>{state}</Badge> {current && <Badge>this window</Badge>}
    </>
  );
  return (
    <Panel title={title} of={key} onClose={close}>
      {session.actor && (
        <p className={styles.impersonated}>
          Impersonated by <Id>{session.actor.subject}</Id>
        </p>
      )}
      <Ended session={session} />
      <div className={ui.actions}>
        {session.state !== SessionState.REVOKED && (
          <button type="button" className={ui.danger} onClick={onEnd}>
            End this session
          </button>
        )}
        {onEndAll && (
          <button type="button" className={ui.danger} onClick={onEndAll}>
            Sign out everywhere
          </button>
        )}
      </div>
      <dl className={ui.facts}>
        <Fact name="Session">
          <Id>{id}</Id> <CopyButton text={id} />
        </Fact>
        <Fact name="Issuer">
          <Id>{issuer}</Id>
        </Fact>
        <Fact name="Organization">
          {session.organizationId ? (
            <Link to="/sessions" search={{ organization: session.organizationId }}>
              <Id>{session.organizationId}</Id>
            </Link>
          ) : (
            <span className={ui.quiet}>none</span>
          )}
        </Fact>
        <Fact name="First seen">
          <Moment at={session.firstSeenTime} inFull />
        </Fact>
        <Fact name="Last seen">
          <Moment at={session.lastSeenTime} inFull />
        </Fact>
        <Fact name="Token issued">
          <Moment at={session.tokenIssueTime} inFull />
        </Fact>
        <Fact name="Token expires">
          <Moment at={session.tokenExpireTime} inFull />
        </Fact>
      </dl>
      <section className={ui.section} aria-labelledby="seen">
        <h3 id="seen">Where it was seen</h3>
        {session.sightings.length === 0 && <p className={ui.quiet}>It is not known where.</p>}
        {session.sightings.map((sighting) => (
          <Seen key={sighting.service} sighting={sighting} />
        ))}
      </section>
      <section className={ui.section} aria-labelledby="related">
        <h3 id="related">Related</h3>
        <p className={ui.actions}>
          <Link to="/sessions" search={{ subject, issuer }}>
            Sessions of this user
          </Link>
          {operator && (
            <Link to="/decisions" search={{ subject }}>
              Decisions about this user
            </Link>
          )}
        </p>
      </section>
    </Panel>
  );
}

/** Where one service has seen a session. */
function Seen({ sighting: { service, userAgent, ipAddress, clientId, authorizedParty, lastSeenTime } }: { sighting: Sighting }) {
  return (
    <dl className={ui.facts}>
      <Fact name="Service">
        <Link to="/sessions" search={{ service: service || ownService }} title="Sessions that it has seen">
          {service ? <Id>{service}</Id> : "this server"}
        </Link>
      </Fact>
      <Fact name="Device">{browserOf(userAgent)}</Fact>
      <Fact name="Address">{ipAddress ? <Id>{ipAddress}</Id> : "unknown"}</Fact>
      {clientId && (
        <Fact name="Client">
          <Id>{clientId}</Id>
        </Fact>
      )}
      {authorizedParty && (
        <Fact name="Application">
          <Id>{authorizedParty}</Id>
        </Fact>
      )}
      <Fact name="Last seen">
        <Moment at={lastSeenTime} />
      </Fact>
    </dl>
  );
}
