import { durationMs } from "@bufbuild/protobuf/wkt";
import type { IssuerStatus, KeyStatus, SignalSourceStatus, SignOutStatus } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Link } from "@tanstack/react-router";
import { compareTimes } from "../api/times";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id, Words } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { Card, Count } from "./card";
import { inTime } from "./status";

/** An issuer and its keys. */
export function IssuerCard({ issuer: of }: { issuer: IssuerStatus }) {
  const failing = of.failingSinceTime !== undefined;
  const state = !of.ready
    ? ({ word: "no keys", tone: "bad" } as const)
    : failing
      ? ({ word: "not reached", tone: "warning" } as const)
      : ({ word: "ok", tone: "good" } as const);
  return (
    <Card title="Issuer" name={of.issuer} state={state}>
      <Fact name="Essential">{of.essential ? "yes: without its keys the server is not ready" : "no"}</Fact>
      <Fact name="Keys">{of.fetched ? <Keys keys={of.keys} /> : "one, from the settings"}</Fact>
      {of.skippedKeys.length > 0 && (
        <Fact name="Keys not used">
          <details>
            <summary>{of.skippedKeys.length}</summary>
            <ul className={ui.violations}>
              {of.skippedKeys.map(({ keyId, why }) => (
                <li key={`${keyId} ${why}`}>
                  {keyId && (
                    <>
                      <Id>{keyId}</Id>:{" "}
                    </>
                  )}
                  {showHidden(why)}
                </li>
              ))}
            </ul>
          </details>
        </Fact>
      )}
      {of.fetched && (
        <>
          <Fact name="Fetched">
            {of.fetchTime ? <Moment at={of.fetchTime} /> : "never"}, from <Id>{of.keySource}</Id>
          </Fact>
          <Fact name="Next fetch">
            <Moment at={of.nextFetchTime} />
          </Fact>
          {failing && (
            <Fact name="Failing">
              since <Moment at={of.failingSinceTime} inFull />, <Count of={of.failureCount} /> times
            </Fact>
          )}
          {of.lastError && (
            <Fact name="Last error">
              <bdi>{showHidden(of.lastError)}</bdi>
            </Fact>
          )}
          <Fact name="Unknown keys">
            <Count of={of.unknownKeyCount} /> tokens named a key that the issuer does not have
          </Fact>
          {of.clockAhead && (
            <Fact name="Clock">{`${inTime(Math.abs(durationMs(of.clockAhead)))} ${durationMs(of.clockAhead) > 0 ? "ahead of" : "behind"} the server's`}</Fact>
          )}
        </>
      )}
      {of.signOuts && <SignOuts of={of.signOuts} />}
      <Fact name="Related">
        <Link to="/sessions" search={{ issuer: of.issuer }}>
          Sessions of this issuer
        </Link>
      </Fact>
    </Card>
  );
}

function Keys({ keys }: { keys: readonly KeyStatus[] }) {
  return keys.length === 0 ? (
    <span className={ui.quiet}>none</span>
  ) : (
    <details>
      <summary>{keys.length}</summary>
      <ul className={ui.violations}>
        {keys.map(({ keyId, algorithms }) => (
          <li key={keyId}>
            {keyId ? <Id>{keyId}</Id> : <span className={ui.quiet}>no id</span>} <Words of={algorithms} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function SignOuts({ of: { pendingCount, endedCount, refusedCount, failedCount, reconcileTime } }: { of: SignOutStatus }) {
  return (
    <>
      <Fact name="Sign-outs there">
        <Count of={endedCount} /> ended, {pendingCount === undefined ? "an unknown number" : <Count of={pendingCount} />} waiting, <Count of={refusedCount} />{" "}
        refused, <Count of={failedCount} /> attempts failed
      </Fact>
      {reconcileTime && (
        <Fact name="Asked after outage">
          <Moment at={reconcileTime} />
        </Fact>
      )}
    </>
  );
}

/** A source of messages of issuers. An error is over once a message was accepted, or the issuer has answered: the server says by the same rule what its problems are. */
export function SignalCard({ source: of }: { source: SignalSourceStatus }) {
  const refused = [of.lastAcceptedTime, of.lastPollTime].every((time) => compareTimes(of.lastRefusedTime, time) > 0);
  const bad = refused || of.stream?.failing === true || of.stream?.stale === true;
  return (
    <Card title="Signals" name={of.source} state={bad ? { word: "see the last error", tone: "warning" } : undefined}>
      <Fact name="Issuers">
        <Words of={of.issuers} />
      </Fact>
      <Fact name="Last message">
        {of.lastMessageTime ? <Moment at={of.lastMessageTime} /> : "never"}
        {of.lastAcceptedTime && (
          <>
            , accepted <Moment at={of.lastAcceptedTime} />
            {of.lag && durationMs(of.lag) > 0 && `, in force after ${inTime(durationMs(of.lag))}`}
          </>
        )}
      </Fact>
      {of.lastPollTime && (
        <Fact name="Last answer">
          <Moment at={of.lastPollTime} />
        </Fact>
      )}
      <Fact name="Messages">
        <Count of={of.acceptedCount} /> accepted, <Count of={of.repeatedCount} /> repeated, <Count of={of.ignoredCount} /> ignored,{" "}
        <Count of={of.refusedCount} /> refused, <Count of={of.failedCount} /> failed
      </Fact>
      {of.lastError && (
        <Fact name="Last error">
          <Moment at={of.lastRefusedTime} />: <bdi>{showHidden(of.lastError)}</bdi>
        </Fact>
      )}
      {of.stream && (
        <Fact name="Stream">
          {of.stream.streamId ? <Id>{of.stream.streamId}</Id> : "none yet"} {of.stream.state && <Badge>{showHidden(of.stream.state)}</Badge>}
          {of.stream.verifyTime && (
            <>
              {" "}
              verified <Moment at={of.stream.verifyTime} />
            </>
          )}
          {of.stream.stale && ", not verified in time"}
          {of.stream.failing && ", the transmitter does not answer"}
        </Fact>
      )}
    </Card>
  );
}
