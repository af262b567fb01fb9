import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Session } from "@ostiary/client/gen/ostiary/session/v1/session_pb";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useSignedIn } from "../auth/signedin";
import { csvLine } from "../ui/csv";
import { Failure } from "../ui/failure";
import { save } from "../ui/save";
import ui from "../ui/ui.module.css";
import { type Filter, requestOf } from "./filter";
import { stateOf, subjectOf } from "./names";

/** How many sessions are read at a time, and at most. The server returns no more than 1000 at once. */
const pageSize = 1000;
const most = 100_000;

const columns: [name: string, value: (session: Session) => string][] = [
  ["issuer", ({ session }) => session?.issuer ?? ""],
  ["subject", ({ session }) => subjectOf(session)],
  ["session_id", ({ session }) => session?.sessionId ?? ""],
  ["state", (session) => stateOf(session).name],
  ["organization_id", ({ organizationId }) => organizationId],
  ["actor", ({ actor }) => actor?.subject ?? ""],
  ["first_seen", ({ firstSeenTime }) => timeOf(firstSeenTime)],
  ["last_seen", ({ lastSeenTime }) => timeOf(lastSeenTime)],
  ["token_expires", ({ tokenExpireTime }) => timeOf(tokenExpireTime)],
  ["services", ({ sightings }) => sightings.map(({ service }) => service || "this server").join(" ")],
  ["ip_addresses", ({ sightings }) => [...new Set(sightings.map(({ ipAddress }) => ipAddress))].join(" ")],
  ["user_agent", ({ sightings: [seen] }) => seen?.userAgent ?? ""],
  ["ended", ({ revocation }) => timeOf(revocation?.createTime)],
  ["cause", ({ revocation }) => revocation?.cause ?? ""],
];

/** The first line of the file. */
export const csvHeader = csvLine(columns.map(([name]) => name));

/** The line of a session. */
export function csvOf(session: Session): string {
  return csvLine(columns.map(([, value]) => value(session)));
}

function timeOf(time: Timestamp | undefined): string {
  return time === undefined ? "" : timestampDate(time).toISOString();
}

/** Reads all sessions that match the filter, page by page, and gives them to the user as a file. */
export function Export({ filter }: { filter: Filter }) {
  const { sessions } = useSignedIn();
  const [count, setCount] = useState(0);
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const read = useMutation({
    mutationFn: async () => {
      const { signal } = (stop.current = new AbortController());
      setCount(0);
      const parts = [csvHeader];
      let pageToken = "";
      let written = 0;
      do {
        const page = await sessions.listSessions({ ...requestOf(filter), pageSize, pageToken }, { signal });
        const found = page.sessions.slice(0, most - written);
        parts.push(found.map(csvOf).join(""));
        written += found.length;
        setCount(written);
        pageToken = page.nextPageToken;
      } while (pageToken !== "" && written < most);
      // The mark tells spreadsheets that it is UTF-8.
      save(`sessions-${new Date().toISOString().slice(0, 10)}.csv`, "text/csv;charset=utf-8", "\ufeff", ...parts);
      return { written, more: pageToken !== "" };
    },
  });
  if (read.isPending) {
    return (
      <>
        <span className={ui.quiet} role="status">
          {count.toLocaleString()} read…
        </span>
        <button type="button" onClick={() => stop.current?.abort()}>
          Stop
        </button>
      </>
    );
  }
  return (
    <>
      <span className={ui.quiet} role="status">
        {read.data && `${read.data.written.toLocaleString()} saved${read.data.more ? ": that is the most in a file; filter to save the others" : ""}`}
      </span>
      <button type="button" onClick={() => read.mutate()} title="Save all sessions that match as a CSV file">
        CSV
      </button>
      {read.isError && !stop.current?.signal.aborted && <Failure error={read.error} />}
    </>
  );
}
