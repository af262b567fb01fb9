import { sharesConnections, useOnline } from "../api/browser";
import { useAhead } from "../api/clock";
import type { Watched } from "../auth/identity";
import { useSlowCalls } from "../auth/signedin";
import { showHidden } from "../ui/text";
import shell from "./shell.module.css";

/** Says what is wrong with the connection to the server or to the issuer, and with this machine's clock. */
export function Connection({ watched }: { watched: Watched }) {
  const trouble = useTrouble(watched);
  const ahead = useAhead();
  const wrong = Math.abs(ahead) > 60_000;
  return (
    <>
      <div role="status" className={trouble && shell.trouble}>
        {trouble}
      </div>
      <div role="status" className={wrong ? shell.strip : undefined}>
        {wrong && `This machine's clock is ${minutes(ahead)} ${ahead > 0 ? "behind" : "ahead of"} the server's. Times are shown by the server's.`}
      </div>
    </>
  );
}

function useTrouble({ stream }: Watched): string | undefined {
  const online = useOnline();
  const slow = useSlowCalls();
  if (!online) {
    return "This machine is offline. What is shown may be old.";
  }
  if (stream.state === "waiting" && stream.delay > 0) {
    return `${showHidden(stream.what)} Trying again…`; // without a delay only the token is replaced
  }
  if (slow) {
    return sharesConnections()
      ? "The server takes its time, or too many windows of this page are open: a browser has six connections for all of them."
      : "The server takes its time.";
  }
  return undefined;
}

function minutes(milliseconds: number): string {
  const count = Math.round(Math.abs(milliseconds) / 60_000);
  return count === 1 ? "a minute" : `${count} minutes`;
}
