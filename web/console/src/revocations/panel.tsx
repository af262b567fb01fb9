import type { Revocation } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_pb";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Moment } from "../ui/moment";
import { Fact, Id } from "../ui/names";
import { Panel } from "../ui/panel";
import { CopyButton } from "../ui/snippet";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { originOf, subjectOf } from "./origin";
import { rowId } from "./table";
import { labelOf, type Named, nameOf } from "./target";

/** The details of a revocation. */
export function RevocationPanel({ revocation, onClose }: { revocation: Revocation; onClose: () => void }) {
  const { revocationId, target, issuedBeforeTime, createTime, expireTime, origin, cause } = revocation;
  const named = nameOf(target);
  const { kind, issuer, name, subject } = named;
  const label = labelOf(kind);
  const by = subjectOf(origin);
  const close = () => {
    onClose();
    document.getElementById(rowId(revocationId))?.focus();
  };
  return (
    <Panel title={<>{label} revoked</>} of={revocationId} onClose={close}>
      <p>{extentOf(kind, issuedBeforeTime === undefined)}</p>
      <dl className={ui.facts}>
        {name && (
          <Fact name={label}>
            <Id>{name}</Id> <CopyButton text={name} />
          </Fact>
        )}
        {subject && (
          <Fact name="Of">
            <Id>{subject}</Id>
          </Fact>
        )}
        <Fact name="Issuer">
          <Id>{issuer}</Id>
        </Fact>
        {issuedBeforeTime && (
          <Fact name="Issued before">
            <Moment at={issuedBeforeTime} inFull />
          </Fact>
        )}
        <Fact name="Revoked">
          <Moment at={createTime} inFull />
        </Fact>
        <Fact name="By">{originOf(origin) ?? <span className={ui.quiet}>not known</span>}</Fact>
        <Fact name="Cause">{cause ? <bdi>{showHidden(cause)}</bdi> : <span className={ui.quiet}>none given</span>}</Fact>
        <Fact name="Until">
          <Moment at={expireTime} inFull />
        </Fact>
        <Fact name="Revocation">
          <Id>{revocationId}</Id> <CopyButton text={revocationId} />
        </Fact>
      </dl>
      <section className={ui.section} aria-labelledby="related">
        <h3 id="related">Related</h3>
        <p className={ui.actions}>
          {sessionsOf(named)}
          {issuer && (
            <Link to="/revocations" search={{ issuer }}>
              Revocations of this issuer
            </Link>
          )}
          {by && (
            <Link to="/revocations" search={{ by }}>
              Revocations by <bdi>{showHidden(by)}</bdi>
            </Link>
          )}
        </p>
      </section>
    </Panel>
  );
}

function extentOf(kind: Named["kind"], all: boolean): string {
  if (kind === "unknown") {
    return "This version of the console does not know what is revoked.";
  }
  return all
    ? "Every token is refused until the revocation ends, those that are issued later as well."
    : "Tokens that were issued before are refused. Those that are issued later are accepted.";
}

/** Links to the sessions that a revocation concerns, as far as they can be filtered. */
function sessionsOf({ kind, issuer, name, subject }: Named): ReactNode {
  switch (kind) {
    case "subject":
    case "machine":
      return (
        <Link to="/sessions" search={{ subject: name, issuer }}>
          Sessions of this user
        </Link>
      );
    case "session":
      return (
        <Link to="/sessions" search={{ q: name }}>
          This session
        </Link>
      );
    case "organization":
      return (
        <Link to="/sessions" search={{ organization: name, issuer }}>
          Sessions in this organization
        </Link>
      );
    case "member":
      return (
        <Link to="/sessions" search={{ organization: name, subject, issuer }}>
          Sessions of this member
        </Link>
      );
    default:
      return (
        <Link to="/sessions" search={{ issuer }}>
          Sessions of this issuer
        </Link>
      );
  }
}
