import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { authReason } from "@ostiary/client";
import { type ReactNode, useEffect, useState } from "react";
import { useNow } from "./clock";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const units: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** A moment, as seen from now; the exact time in the user's zone on demand. */
export function Moment({ at }: { at: Timestamp | undefined }) {
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
    </time>
  );
}

/** A page's head, and the document's title. */
export function Head({ title, children }: { title: string; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ostiary`;
  }, [title]);
  return (
    <header className="head">
      <h1 tabIndex={-1}>{title}</h1>
      {children}
    </header>
  );
}

export function Badge({ tone, children }: { tone?: "good" | "bad" | "quiet"; children: ReactNode }) {
  return <span className={`badge ${tone ?? ""}`}>{children}</span>;
}

export function Words({ of, none = "none" }: { of: string[]; none?: string }) {
  return of.length === 0 ? (
    <span className="quiet">{none}</span>
  ) : (
    <span className="words">
      {of.map((word) => (
        <code key={word}>{word}</code>
      ))}
    </span>
  );
}

/** What went wrong, and what to do about it. */
export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const failure = ConnectError.from(error);
  const reason = authReason(failure);
  const unreachable = reason === undefined && failure.cause instanceof TypeError;
  return (
    <div className="failure" role="alert">
      <p>
        <strong>{unreachable ? "The server cannot be reached." : failure.rawMessage || "The call failed."}</strong>
      </p>
      <p className="quiet">
        {unreachable ? "See whether it is running, then try again." : <code>{reason ?? Code[failure.code]}</code>}
      </p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Text to take along. */
export function Snippet({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="snippet">
      <pre aria-label={label} tabIndex={0}>
        {text}
      </pre>
      <button
        type="button"
        className="plain"
        onClick={() => navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false))}
        onBlur={() => setCopied(false)}
      >
        <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
      </button>
    </div>
  );
}

export function Loading() {
  return (
    <p className="quiet" role="status">
      Loading…
    </p>
  );
}
