import { type FieldViolation, fieldViolations, helpLink, requestId } from "@ostiary/client";
import type { ReactNode } from "react";
import { explain } from "./errors";
import { Id } from "./names";
import { showHidden } from "./text";
import ui from "./ui.module.css";

/** What went wrong, and what to do about it. */
export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const { what, hint, code } = explain(error);
  const id = requestId(error);
  return (
    <div className={ui.failure} role="alert">
      <p>
        <strong>{showHidden(what)}</strong>
      </p>
      <p className={ui.quiet}>
        <Help link={helpLink(error)}>{code === undefined ? hint : <code>{showHidden(code)}</code>}</Help>
      </p>
      <Violations of={fieldViolations(error)} />
      {id !== undefined && (
        <p className={ui.quiet}>
          Request <Id>{id}</Id>
        </p>
      )}
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Links to the documentation, where an error says where. */
export function Help({ link, children }: { link: string | undefined; children: ReactNode }) {
  return link === undefined ? (
    children
  ) : (
    <a href={link} target="_blank" rel="noreferrer">
      {children}
    </a>
  );
}

/** The fields of a request that are not valid, and what to do about each. */
export function Violations({ of }: { of: FieldViolation[] }) {
  return of.length === 0 ? null : (
    <ul className={ui.violations} aria-label="Fields that are not valid">
      {of.map(({ field, description }) => (
        <li key={`${field} ${description}`}>
          {field && (
            <>
              <Id>{field}</Id>:{" "}
            </>
          )}
          {showHidden(description)}
        </li>
      ))}
    </ul>
  );
}

export function Loading() {
  return (
    <p className={ui.quiet} role="status">
      Loading…
    </p>
  );
}
