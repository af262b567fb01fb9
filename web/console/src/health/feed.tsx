import { durationMs } from "@bufbuild/protobuf/wkt";
import type { FeedStatus, FollowerStatus, RelayStatus, TransmitterStatus } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Moment } from "../ui/moment";
import { Badge, Fact, Id, Words } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { Card, Count } from "./card";
import styles from "./health.module.css";
import { inTime } from "./status";

/** The hub that a relay follows. */
export function RelayCard({ relay: of }: { relay: RelayStatus }) {
  const connected = of.connectedHub !== "";
  return (
    <Card title="Hub" state={connected ? { word: "connected", tone: "good" } : { word: "not connected", tone: "bad" }}>
      <Fact name="Hubs">
        <Words of={of.hubs} />
      </Fact>
      {connected && (
        <Fact name="Connected to">
          <Id>{of.connectedHub}</Id>
        </Fact>
      )}
      {of.lastError && (
        <Fact name="Last error">
          <bdi>{showHidden(of.lastError)}</bdi>
        </Fact>
      )}
    </Card>
  );
}

/** The revocations, and who follows them. */
export function FeedCard({ feed: { revocationCount, age, followerCount } }: { feed: FeedStatus }) {
  return (
    <Card title="Revocations">
      <Fact name="In memory">
        <Count of={revocationCount} />
      </Fact>
      {age && <Fact name="Read">{`${inTime(durationMs(age))} ago`}</Fact>}
      <Fact name="Followers">
        <Count of={followerCount} /> connected to this server
      </Fact>
    </Card>
  );
}

/** The streams of security events to receivers. */
export function TransmitterCard({ transmitter: of }: { transmitter: TransmitterStatus }) {
  return (
    <Card title="Security events" state={of.failingStreamCount > 0n ? { word: "not delivered", tone: "warning" } : undefined}>
      <Fact name="Receivers">
        <Count of={of.streamCount} />: <Count of={of.failingStreamCount} /> take no events, <Count of={of.pausedStreamCount} /> paused
      </Fact>
      <Fact name="Events">
        <Count of={of.missedCount} /> had expired before, <Count of={of.refusedCount} /> refused
      </Fact>
      {of.lag && <Fact name="Longest wait">{inTime(durationMs(of.lag))}</Fact>}
    </Card>
  );
}

/** The services and relays that follow this server, the slowest first. */
export function Followers({ feed: { followers, followerCount } }: { feed: FeedStatus }) {
  return (
    <section className={ui.section} aria-labelledby="followers">
      <h2 id="followers">Followers</h2>
      <table className={styles.followers}>
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Instance</th>
            <th scope="col">State</th>
            <th scope="col">Revocations</th>
            <th scope="col">Heard of</th>
          </tr>
        </thead>
        <tbody>
          {followers.map((follower) => (
            <Line key={`${follower.service} ${follower.instanceId}`} follower={follower} />
          ))}
        </tbody>
      </table>
      {followerCount > followers.length && <p className={ui.quiet}>Only the slowest {followers.length} are listed.</p>}
    </section>
  );
}

function Line({ follower: { service, instanceId, connected, behindCount, heardTime } }: { follower: FollowerStatus }) {
  return (
    <tr>
      <th scope="row">
        <Id>{service}</Id>
      </th>
      <td>
        <Id>{instanceId}</Id>
      </td>
      <td>
        <Badge tone={connected ? "good" : "warning"}>{connected ? "connected" : "not connected"}</Badge>
      </td>
      <td>
        {behindCount === 0n ? (
          "all confirmed"
        ) : (
          <>
            <Count of={behindCount} /> not confirmed
          </>
        )}
      </td>
      <td data-column="Heard of">
        <Moment at={heardTime} />
      </td>
    </tr>
  );
}
