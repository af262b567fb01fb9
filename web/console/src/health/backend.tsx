import type { BackendStatus } from "@ostiary/client/gen/ostiary/status/v1/status_pb";
import { Moment } from "../ui/moment";
import { Fact, Id } from "../ui/names";
import { showHidden } from "../ui/text";
import { Card, Count } from "./card";

/** Another server that the settings name. */
export function BackendCard({ backend: of }: { backend: BackendStatus }) {
  const known = of.serviceCount > 0n;
  const state =
    of.lastError !== ""
      ? { word: "see problems", tone: "warning" as const }
      : known
        ? { word: "ok", tone: "good" as const }
        : { word: "not read yet", tone: "open" as const };
  return (
    <Card title="Backend" name={of.name} state={state}>
      <Fact name="Services">{known ? <Count of={of.serviceCount} /> : "not known"}</Fact>
      <Fact name="Schema">{of.reflection === "" ? "of an image" : <Id>{of.reflection}</Id>}</Fact>
      {of.readTime && (
        <Fact name="Read">
          <Moment at={of.readTime} />
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
