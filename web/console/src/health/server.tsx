import { type Listener, type Load, type LogStatus, StoreKind, StoreState, type StoreStatus } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Moment } from "../ui/moment";
import { Fact, Id } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { Card, Count } from "./card";
import { inBytes, words } from "./status";

/** The database. */
export function StoreCard({ store: of }: { store: StoreStatus }) {
  return (
    <Card title="Database" state={{ word: words(StoreState, of.state), tone: of.state === StoreState.OK ? "good" : "bad" }}>
      <Fact name="Kind">{{ [StoreKind.SQLITE]: "SQLite", [StoreKind.POSTGRESQL]: "PostgreSQL", [StoreKind.UNSPECIFIED]: "unknown" }[of.kind]}</Fact>
      <Fact name="Where">
        <Id>{of.name}</Id>
      </Fact>
      {of.failingSinceTime && (
        <Fact name="Failing">
          since <Moment at={of.failingSinceTime} inFull />
        </Fact>
      )}
      {of.lastError && (
        <Fact name="Last error">
          <bdi>{showHidden(of.lastError)}</bdi>
        </Fact>
      )}
      <Fact name="Essential">{of.essential ? "yes: without it the server is not ready" : "no"}</Fact>
      {of.freeBytes !== undefined && <Fact name="Free space">{inBytes(of.freeBytes)}</Fact>}
      <Fact name="Sessions">
        <Count of={of.recentSessionCount} /> seen lately, <Count of={of.unsavedSessionCount} /> still to be written, <Count of={of.lostSessionCount} /> never
        recorded
      </Fact>
    </Card>
  );
}

/** Where the server listens, and until when its certificate counts. */
export function ListenerCard({ listeners }: { listeners: readonly Listener[] }) {
  return (
    <Card title="Addresses">
      {listeners.map(({ setting, address, certificateExpireTime, certificateError }) => (
        <Fact key={setting} name={setting}>
          <Id>{address}</Id>
          {certificateExpireTime ? (
            <>
              {" "}
              certificate until <Moment at={certificateExpireTime} inFull />
            </>
          ) : (
            <span className={ui.quiet}> no TLS</span>
          )}
          {certificateError && (
            <p>
              The pair in the files cannot be used: <bdi>{showHidden(certificateError)}</bdi>
            </p>
          )}
        </Fact>
      ))}
    </Card>
  );
}

/** How much is open, and how much may be. */
export function LoadCard({ load: of }: { load: Load }) {
  return (
    <Card title="Load">
      <Fact name="Connections">
        <Count of={of.connectionCount} /> of <Count of={of.maxConnectionCount} />
        {of.refusedConnectionCount > 0n && (
          <>
            , <Count of={of.refusedConnectionCount} /> closed at once
          </>
        )}
      </Fact>
      <Fact name="Streams">
        <Count of={of.streamCount} /> of <Count of={of.maxStreamCount} />
      </Fact>
      <Fact name="Refusals that waited">
        <Count of={of.delayedRefusalCount} />
      </Fact>
    </Card>
  );
}

/** The log, and the record of decisions. */
export function LogCard({ log: of }: { log: LogStatus }) {
  return (
    <Card title="Log">
      <Fact name="Lines dropped">
        <Count of={of.droppedLineCount} />
      </Fact>
      <Fact name="Decisions">
        {of.decisionsOutput === "none" ? (
          <span className={ui.quiet}>not recorded</span>
        ) : (
          <>
            <Id>{of.decisionsOutput}</Id>: <Count of={of.writtenDecisionCount} /> written, <Count of={of.lostDecisionCount} /> lost
          </>
        )}
      </Fact>
      <Fact name="Watchers">
        <Count of={of.decisionWatcherCount} /> {of.decisionWatcherCount === 1n ? "operator watches" : "operators watch"} decisions
      </Fact>
    </Card>
  );
}
