import type { NewRevocation, PreviewRevocationResponse } from "@ostiary/client/gen/ostiary/revocation/v1/revocation_service_pb";
import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { countOf } from "../api/pages";
import { useSignedIn } from "../auth/signedin";
import { Failure } from "../ui/failure";
import { Moment } from "../ui/moment";
import ui from "../ui/ui.module.css";

/** How many sessions a revocation would end. */
export function Preview({ of: revocation }: { of: NewRevocation }) {
  const { revocations } = useSignedIn();
  const preview = useQuery({
    queryKey: ["preview", useId()],
    queryFn: ({ signal }) => revocations.previewRevocation({ revocation }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  if (preview.isError) {
    return <Failure error={preview.error} retry={() => void preview.refetch()} />;
  }
  const { data } = preview;
  return (
    <div role="status">
      <p>
        <strong>{data ? endsOf(data) : "Counting the sessions that would end…"}</strong>
      </p>
      {data?.revokesCaller && <p className={ui.danger}>Your own token is among them: this window is signed out, too.</p>}
      {data && (
        <p className={ui.quiet}>
          It holds until <Moment at={data.expireTime} inFull />, and cannot be taken back.
        </p>
      )}
    </div>
  );
}

/** What a revocation would end, in words. */
export function endsOf({ sessionCount, subjectCount, countsAreMinimum }: PreviewRevocationResponse): string {
  if (sessionCount === undefined) {
    return "How many sessions this ends is not known: tokens are not kept, and machines have no sessions.";
  }
  if (sessionCount === 0n && !countsAreMinimum) {
    return "Ends no session that was seen here. Those in which somebody else acts for the user are not counted.";
  }
  return `Ends ${countOf(sessionCount, countsAreMinimum, "session", "sessions")} of ${countOf(subjectCount, countsAreMinimum, "user", "users")}.`;
}
