import { type ReactNode, useId } from "react";
import { Badge, type Tone } from "../ui/names";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import styles from "./health.module.css";

interface Props {
  title: string;
  /** Which one it is, such as an issuer. */
  name?: string;
  /** How it is, in a word. */
  state?: { word: string; tone: Tone } | undefined;
  /** Facts. */
  children: ReactNode;
}

/** One part of the server. */
export function Card({ title, name, state, children }: Props) {
  const id = useId();
  return (
    <section className={styles.card} aria-labelledby={id}>
      <h2 id={id}>
        {title}
        {name !== undefined && (
          <>
            {" "}
            <code>{showHidden(name)}</code>
          </>
        )}{" "}
        {state && <Badge tone={state.tone}>{state.word}</Badge>}
      </h2>
      <dl className={ui.facts}>{children}</dl>
    </section>
  );
}

/** A count, with the digits in groups. */
export function Count({ of }: { of: bigint }) {
  return <>{of.toLocaleString()}</>;
}
