import type { ReactNode } from "react";
import { showHidden } from "./text";
import ui from "./ui.module.css";

/** A name that somebody else has chosen, such as a subject. */
export function Id({ children }: { children: string }) {
  return <code>{showHidden(children)}</code>;
}

export function Words({ of, none = "none" }: { of: string[]; none?: string }) {
  return of.length === 0 ? (
    <span className={ui.quiet}>{none}</span>
  ) : (
    <span className={ui.words}>
      {of.map((word) => (
        <Id key={word}>{word}</Id>
      ))}
    </span>
  );
}

export type Tone = "good" | "bad" | "warning" | "open" | "quiet";

export function Badge({ tone, children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={ui.badge} data-tone={tone}>
      {children}
    </span>
  );
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
