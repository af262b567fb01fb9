import type { CSSProperties } from "react";
import styles from "./shortened.module.css";

/** How many characters of the end are kept: as many as the last word has, such as an address, within these. */
const least = 6;
const most = 15;

/**
 * A text on one line. Where there is no room for it, what is written as ids are is shown without its middle, since ids
 * differ at their ends, and any other text without its end. It is in two parts, so a screen reader needs the text as the
 * name of what it is in.
 */
export function Shortened({ children: text }: { children: string }) {
  const word = text.length - 1 - text.lastIndexOf(" ");
  const kept = word > most ? least : Math.max(word, least);
  if (text.length <= 2 * kept || !/^[\x20-\x7e]+$/.test(text)) {
    return <bdi className={styles.text}>{text}</bdi>;
  }
  return (
    <bdi className={styles.text} style={{ "--kept": `${kept + 1}ch` } as CSSProperties}>
      <span className={styles.start}>{text.slice(0, -kept)}</span>
      <span className={styles.end}>{text.slice(-kept)}</span>
    </bdi>
  );
}
