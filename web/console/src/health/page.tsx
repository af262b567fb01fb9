import { Readiness, type ServerStatus } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { Moment } from "../ui/moment";
import { Badge } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { BackendCard } from "./backend";
import { FeedCard, Followers, RelayCard, TransmitterCard } from "./feed";
import styles from "./health.module.css";
import { IssuerCard, SignalCard } from "./issuers";
import { Problems } from "./problems";
import { ListenerCard, LoadCard, LogCard, StoreCard } from "./server";
import { refreshInterval, useStatus, words } from "./status";

/** How the server is, for operators: its problems first, with what to do about each. */
export function Health() {
  const { data: status, error, isPending, refetch } = useStatus();
  return (
    <div className={styles.page}>
      <Head title="Health">
        {status && !error && <State status={status} />}
        <p className={ui.quiet}>
          The server that answers this window, read again every {refreshInterval / 1000} seconds. Servers that share its database are not shown.
        </p>
      </Head>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {error && status && (
        <p>
          How the server is now is not known. It last answered <Moment at={status.statusTime} />.
        </p>
      )}
      {status && !error ? <Parts status={status} /> : isPending && <Loading />}
    </div>
  );
}

const tones = { [Readiness.READY]: "good", [Readiness.NOT_READY]: "bad", [Readiness.STOPPING]: "warning", [Readiness.UNSPECIFIED]: "quiet" } as const;

function State({ status: { readiness, version, hostName, startTime, statusTime } }: { status: ServerStatus }) {
  return (
    <span className={styles.state}>
      <Badge tone={tones[readiness]}>{words(Readiness, readiness)}</Badge>
      <span className={ui.quiet}>
        ostiary {version} on <bdi>{showHidden(hostName) || "an unknown machine"}</bdi>, started <Moment at={startTime} />, as of <Moment at={statusTime} />
      </span>
    </span>
  );
}

function Parts({ status }: { status: ServerStatus }) {
  const { problems, issuers, store, relay, signalSources, transmitter, feed, listeners, load, log, backends } = status;
  return (
    <>
      <Problems problems={problems} />
      <div className={styles.cards}>
        {issuers.map((issuer) => (
          <IssuerCard key={issuer.issuer} issuer={issuer} />
        ))}
        {store && <StoreCard store={store} />}
        {relay && <RelayCard relay={relay} />}
        {signalSources.map((source) => (
          <SignalCard key={source.source} source={source} />
        ))}
        {feed && <FeedCard feed={feed} />}
        {transmitter && <TransmitterCard transmitter={transmitter} />}
        {backends.map((backend) => (
          <BackendCard key={backend.name} backend={backend} />
        ))}
        <ListenerCard listeners={listeners} />
        {load && <LoadCard load={load} />}
        {log && <LogCard log={log} />}
      </div>
      {feed && feed.followers.length > 0 && <Followers feed={feed} />}
    </>
  );
}
