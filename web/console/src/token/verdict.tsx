import { type AccessExplanation, AccessOutcome } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { Reason } from "@ostiary/client/gen/ostiary/error/v1/reason_pb";
import type { Identity } from "@ostiary/client/gen/ostiary/identity/v1/identity_pb";
import { TokenKind } from "@ostiary/client/gen/ostiary/policy/v1/policy_pb";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Grants } from "../ui/grants";
import { Badge, Fact, Id } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";

interface Props {
  identity: Identity;
  explanations: AccessExplanation[];
  accepted: boolean;
  /** The method to begin with. */
  method: string | undefined;
}

const outcomes = {
  [AccessOutcome.UNSPECIFIED]: { name: "it depends", tone: "open" },
  [AccessOutcome.MET]: { name: "met", tone: "good" },
  [AccessOutcome.UNMET]: { name: "missing", tone: "bad" },
  [AccessOutcome.UNDECIDED]: { name: "it depends", tone: "open" },
} as const;

/** Whom a token is for, and what it lacks for a method. */
export function Verdict({ identity, explanations, accepted, method: first }: Props) {
  const [method, setMethod] = useState(first ?? "/ostiary.identity.v1.IdentityService/WhoAmI");
  const explanation = explanations.find(({ procedure }) => procedure === method);
  return (
    <>
      <label className={ui.field}>
        {accepted ? "What is missing for a method" : "What is missing for a method, if the token were accepted"}
        <select value={explanation === undefined ? "" : method} onChange={(event) => setMethod(event.target.value)}>
          {explanation === undefined && <option value="">Choose a method</option>}
          {explanations.map(({ procedure }) => (
            <option key={procedure}>{procedure}</option>
          ))}
        </select>
      </label>
      {explanation === undefined ? (
        <p className={ui.quiet}>
          This server does not serve <Id>{method}</Id>: its own service decides about it.
        </p>
      ) : (
        <ul className={ui.violations} aria-label="Requirements">
          {explanation.requirements.length === 0 && <li>Anybody may call it.</li>}
          {explanation.requirements.map(({ description, outcome, detail, reason }) => (
            <li key={description}>
              {showHidden(description)}{" "}
              <Badge tone={(outcomes[outcome] ?? outcomes[AccessOutcome.UNDECIDED]).tone}>
                {(outcomes[outcome] ?? outcomes[AccessOutcome.UNDECIDED]).name}
              </Badge>{" "}
              <span className={ui.quiet}>{showHidden(detail)}</span>{" "}
              {outcome === AccessOutcome.UNMET && reason !== Reason.UNSPECIFIED && <code>{Reason[reason] ?? reason}</code>}
            </li>
          ))}
        </ul>
      )}
      <dl className={ui.facts}>
        <Fact name="Subject">
          <Link to="/sessions" search={{ subject: identity.subject, issuer: identity.issuer }}>
            <Id>{identity.subject}</Id>
          </Link>
        </Fact>
        <Fact name="Kind">{TokenKind[identity.kind]?.toLowerCase() ?? "unknown"}</Fact>
        <Grants identity={identity} />
      </dl>
    </>
  );
}
