import type { MouseEvent } from "react";
import { sharesConnections, useOnline } from "./browser";
import { useAhead } from "./clock";
import { explain } from "./parts";
import { go, usePlace } from "./router";
import { useLate } from "./signedin";
import { plain } from "./text";
import type { Watched } from "./watch";

export const pages = [
  { path: "/", name: "Me" },
  { path: "/sessions", name: "Sessions" },
  { path: "/access", name: "Access" },
  { path: "/try", name: "Try" },
];

/** Follows a link without loading the page again, but where the user wants a window of its own. */
export function follow(path: string) {
  return (event: MouseEvent) => {
    if (!event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      go(path);
    }
  };
}

export function Bar({ watched, onSignOut }: { watched?: Watched; onSignOut?: () => void }) {
  const { pathname } = usePlace();
  return (
    <header className="bar">
      {onSignOut && <a className="skip" href="#main">Skip to the page</a>}
      <span className="brand">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 21V10a7 7 0 0 1 14 0v11M2.5 21h19" /><circle cx="12" cy="14" r="1.6" /></svg>
        ostiary
      </span>
      {onSignOut && (
        <>
          <nav aria-label="Pages">
            {pages.map(({ path, name }) => (
              <a key={path} href={path} onClick={follow(path)} aria-current={path === pathname ? "page" : undefined}>{name}</a>
            ))}
          </nav>
          <div className="account">
            <Who watched={watched} />
            <button type="button" className="plain" onClick={onSignOut}>Sign out</button>
          </div>
        </>
      )}
    </header>
  );
}

/** Whom the calls are made for, and before that who makes them, where that is somebody else. */
function Who({ watched }: { watched: Watched | undefined }) {
  const { subject = "", actor } = watched?.identity ?? {};
  const name = plain(subject);
  if (actor === undefined) {
    return <span className="who" title={name}><bdi>{name}</bdi></span>;
  }
  const acting = plain(actor.subject);
  return (
    <span className="who acting" title={`${acting} acting as ${name}`}>
      <bdi>{acting}</bdi> <span>acting as</span> <bdi>{name}</bdi>
    </span>
  );
}

/** Says what is wrong with the way to the server, or to whoever makes the tokens. */
export function Connection({ watched }: { watched: Watched }) {
  const trouble = useTrouble(watched);
  const ahead = useAhead();
  return (
    <>
      <div role="status" className={trouble ? "strip away" : ""}>{trouble}</div>
      <div role="status" className={isWrong(ahead) ? "strip" : ""}>
        {isWrong(ahead) && `This machine's clock is ${minutes(ahead)} ${ahead > 0 ? "behind" : "ahead of"} the server's. Times are shown by the server's.`}
      </div>
    </>
  );
}

function useTrouble({ stream }: Watched): string | undefined {
  const online = useOnline();
  const late = useLate();
  if (!online) {
    return "This machine is offline. What is shown may be old.";
  }
  if (stream.state === "waiting" && stream.delay > 0) { // a token that is being replaced is nothing to speak of
    return `${explain(stream.error).what} Trying again…`;
  }
  if (late) {
    return sharesConnections()
      ? "The server takes its time, or too many windows of this page are open: a browser has six connections for all of them."
      : "The server takes its time.";
  }
  return undefined;
}

function isWrong(ahead: number): boolean {
  return Math.abs(ahead) > 60_000;
}

function minutes(milliseconds: number): string {
  const count = Math.round(Math.abs(milliseconds) / 60_000);
  return count === 1 ? "a minute" : `${count} minutes`;
}
