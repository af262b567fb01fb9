import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type FieldViolation, fieldViolations, helpLink, reasonOf, requestId, TokenSourceError } from "@ostiary/client";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useNow } from "./clock";
import { plain, sentence } from "./text";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const units: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** A moment, as seen from now; the exact time in the user's zone beside it, or on demand. */
export function Moment({ at, inFull = false }: { at: Timestamp | undefined; inFull?: boolean }) {
  const now = useNow();
  if (at === undefined) {
    return <>–</>;
  }
  const date = timestampDate(at);
  const seconds = Math.round((date.getTime() - now) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return (
    <time dateTime={date.toISOString()} title={exact.format(date)}>
      {relative.format(Math.trunc(seconds / size), unit)}
      {inFull && <span className="quiet">, {exact.format(date)}</span>}
    </time>
  );
}

/** A page's head, and the document's title. Whoever hears the page rather than sees it, hears it when it is new. */
export function Head({ title, children }: { title: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ostiary`;
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <header className="head">
      <h1 ref={heading} tabIndex={-1}>{title}</h1>
      {children}
    </header>
  );
}

/** A name that somebody else has chosen. */
export function Id({ children }: { children: string }) {
  return <code>{plain(children)}</code>;
}

export function Badge({ tone, children }: { tone?: "good" | "bad" | "open" | "quiet"; children: ReactNode }) {
  return <span className={`badge ${tone ?? ""}`}>{children}</span>;
}

/** One line of a list of facts. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Words({ of, none = "none" }: { of: string[]; none?: string }) {
  return of.length === 0 ? (
    <span className="quiet">{none}</span>
  ) : (
    <span className="words">
      {of.map((word) => (
        <Id key={word}>{word}</Id>
      ))}
    </span>
  );
}

/** What went wrong, and what to do about it. */
export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const { what, hint } = explain(error);
  return (
    <div className="failure" role="alert">
      <p>
        <strong>{what}</strong>
      </p>
      <p className="quiet">
        <Help link={helpLink(error)}>{hint}</Help>
      </p>
      <Violations of={fieldViolations(error)} />
      <RequestId of={error} />
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** What the server's log calls the call that has failed, for whoever is asked for help. */
function RequestId({ of }: { of: unknown }) {
  const id = requestId(of);
  return id === undefined ? null : <p className="quiet">Request <Id>{id}</Id></p>;
}

/** What links to the documentation, where an error says where. */
export function Help({ link, children }: { link: string | undefined; children: ReactNode }) {
  return link === undefined ? children : <a className="help" href={link} target="_blank" rel="noreferrer">{children}</a>;
}

/** What is said before the list of fields: the server's own message has the same again. */
export const invalid = "The request is not valid.";

/** The fields of a request that are not valid, and what to do about each. */
export function Violations({ of }: { of: FieldViolation[] }) {
  return of.length === 0 ? null : (
    <ul className="violations" aria-label="Fields that are not valid">
      {of.map(({ field, description }, i) => (
        <li key={i}>
          {field && <><Id>{field}</Id>: </>}{description}
        </li>
      ))}
    </ul>
  );
}

/** Whose failure it was: of the source of tokens, of the network, or of the server. */
export function explain(error: unknown): { what: string; hint: ReactNode } {
  if (error instanceof TokenSourceError) {
    return { what: sentence(error.message), hint: error.permanent ? "Sign in as somebody else." : "See whether it is running, then try again." };
  }
  const failure = ConnectError.from(error);
  const source = tokenFailure(error);
  if (source !== undefined) {
    return { what: `There is no token to call with: ${source}.`, hint: "The server was not asked. Try again, or sign out and in again." };
  }
  const reason = reasonOf(failure);
  if (reason === undefined && failure.cause instanceof TypeError) {
    return { what: "The server cannot be reached.", hint: "See whether it is running, then try again." };
  }
  if (reason === undefined && failure.code === Code.Unavailable) {
    return { what: "The server cannot serve at the moment.", hint: <code>{failure.rawMessage}</code> };
  }
  const what = fieldViolations(failure).length > 0 ? invalid : sentence(failure.rawMessage || "the call failed");
  return { what, hint: <code>{reason ?? Code[failure.code]}</code> };
}

/** Why there was no token to call with; undefined where that was not what failed. */
export function tokenFailure(error: unknown): string | undefined {
  return error instanceof ConnectError && error.cause instanceof TokenSourceError ? error.cause.message : undefined;
}

/** Text to take along, and before it what chooses the text. */
export function Snippet({ text, label, children }: { text: string; label: string; children?: ReactNode }) {
  const [copied, setCopied] = useState(false);
  // Browsers have no clipboard for pages that come over plain HTTP from elsewhere.
  const clipboard = "clipboard" in navigator ? navigator.clipboard : undefined;
  return (
    <>
      <div className="toolbar">
        {children}
        {clipboard && (
          <button
            type="button"
            className="plain"
            onClick={() => clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false))}
            onBlur={() => setCopied(false)}
          >
            {copied ? "Copied" : "Copy"}
          </button>
        )}
        <span role="status" className="unseen">{copied && "Copied to the clipboard."}</span>
      </div>
      <pre aria-label={label} tabIndex={0}>
        {text}
      </pre>
    </>
  );
}

export function Loading() {
  return (
    <p className="quiet" role="status">
      Loading…
    </p>
  );
}
