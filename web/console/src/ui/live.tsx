import type { StreamStatus } from "../api/stream";
import { Badge } from "./names";

/** Whether what is shown follows the server. */
export function LiveBadge({ status }: { status: StreamStatus }) {
  return (
    <span role="status">
      {status.state === "open" ? (
        <Badge tone="good">live</Badge>
      ) : (
        <Badge tone="quiet">{status.state === "queued" ? "not live: too many windows are open, read again now and then" : "not live"}</Badge>
      )}
    </span>
  );
}
