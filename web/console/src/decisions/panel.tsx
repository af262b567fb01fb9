import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Decision } from "@ostiary/client/gen/ostiary/decision/v1/decision_pb";
import { TokenKind } from "@ostiary/client/gen/ostiary/policy/v1/policy_pb";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { methodNamed } from "../try/schema";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id } from "../ui/names";
import { Panel } from "../ui/panel";
import { CopyButton } from "../ui/snippet";
import { sentence, showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { toFragment } from "./link";
import { helpOf, messageOf } from "./reasons";
import { methodOf, outcomeOf } from "./table";

interface Props {
  decision: Decision;
  /** The server has sent the decision to this window. Otherwise the link says it. */
  known: boolean;
  onClose: () => void;
}

/** The details of a decision, and what to do about a refusal. */
export function DecisionPanel({ decision, known, onClose }: Props) {
  const { name, tone } = outcomeOf(decision);
  const { procedure, reason, cause, requirement, subject, issuer, sessionId, actor, requestId } = decision;
  const message = messageOf(reason);
  const address = toFragment(decision);
  const title = (
    <>
      <Id>{methodOf(procedure)}</Id> <Badge tone={tone}>{name}</Badge>
    </>
  );
  return (
    <Panel title={title} of={address} onClose={onClose}>
      {!known && <p className={ui.quiet}>This is what the link says. The server has not sent the decision to this window.</p>}
      {reason && (
        <section className={ui.section} aria-labelledby="why">
          <h3 id="why">
            <Id>{reason}</Id>
          </h3>
          {message && <p>The caller was told: {sentence(message)}</p>}
          {cause && (
            <p>
              Cause: <Id>{cause}</Id>
            </p>
          )}
          {requirement && <p>Not met: {showHidden(requirement)}</p>}
          <p className={ui.actions}>
            {message && (
              <a href={helpOf(reason)} target="_blank" rel="noreferrer">
                What to do about it
              </a>
            )}
            <Link to="/token" search={{ method: procedure, reason }}>
              Explain this with a token
            </Link>
            <Link to="/decisions" search={{ reason }}>
              All with this reason
            </Link>
          </p>
        </section>
      )}
      <dl className={ui.facts}>
        <Fact name="Time">
          <Moment at={decision.decisionTime} inFull />
        </Fact>
        <Fact name="Method">
          <Id>{procedure}</Id>
        </Fact>
        <Text name="Protocol">{decision.protocol}</Text>
        {decision.count > 1n && <Fact name="Stands for">{String(decision.count)} decisions</Fact>}
        <Text name="Subject">{subject}</Text>
        <Text name="Issuer">{issuer}</Text>
        {decision.kind !== TokenKind.UNSPECIFIED && <Fact name="Kind">{TokenKind[decision.kind]?.toLowerCase() ?? "unknown"}</Fact>}
        <Text name="Session">{sessionId}</Text>
        <Text name="Impersonated by">{actor?.subject}</Text>
        <Text name="Organization">{decision.organizationId}</Text>
        <Text name="Client">{decision.clientId}</Text>
        <Text name="Application">{decision.authorizedParty}</Text>
        <Text name="Token">{decision.tokenId}</Text>
        <Text name="Token hash">{decision.tokenHash}</Text>
        <Text name="Key">{decision.keyId}</Text>
        <Text name="Rule from">{decision.ruleSource}</Text>
        <Text name="Address">{decision.peer}</Text>
        <Text name="Request">{requestId}</Text>
        <Text name="Trace">{decision.traceId}</Text>
        <Text name="Service">{decision.service}</Text>
        <Text name="Instance">{decision.instanceId}</Text>
        {decision.duration && <Fact name="Took">{took(decision.duration)}</Fact>}
      </dl>
      <section className={ui.section} aria-labelledby="related">
        <h3 id="related">Related</h3>
        <p className={ui.actions}>
          {subject && (
            <Link to="/sessions" search={{ subject, issuer, ...(sessionId === "" ? {} : { q: sessionId }) }}>
              The session
            </Link>
          )}
          {subject && (
            <Link to="/decisions" search={{ subject }}>
              Decisions about this user
            </Link>
          )}
          {requestId && (
            <Link to="/decisions" search={{ request: requestId }}>
              Decisions about this call
            </Link>
          )}
          <Link to="/decisions" search={{ procedure }}>
            Decisions about this method
          </Link>
          <Link to="/access" search={{ q: procedure }}>
            Who may call it
          </Link>
          {methodNamed(procedure) && (
            <Link to="/try" search={{ method: procedure }}>
              Try it
            </Link>
          )}
        </p>
        <p>
          <CopyButton text={`${location.origin}/decisions#${address}`}>Copy a link to this decision</CopyButton>
        </p>
      </section>
    </Panel>
  );
}

function Text({ name, children }: { name: string; children: string | undefined }): ReactNode {
  return children ? (
    <Fact name={name}>
      <Id>{children}</Id>
    </Fact>
  ) : null;
}

/** How long a decision took, for people. */
export function took({ seconds, nanos }: Duration): string {
  const microseconds = Number(seconds) * 1e6 + nanos / 1e3;
  return microseconds < 1000 ? `${Math.round(microseconds)} µs` : `${(microseconds / 1000).toFixed(1)} ms`;
}
