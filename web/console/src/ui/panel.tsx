import { type ReactNode, useEffect, useEffectEvent, useRef } from "react";
import { isTyping } from "./keys";
import split from "./split.module.css";
import ui from "./ui.module.css";

interface Props {
  title: ReactNode;
  /** Names what is shown: when it changes, the heading takes the focus. */
  of: string;
  onClose: () => void;
  children: ReactNode;
}

/** The details of one row, beside the table. Escape closes it, and the focus is where it was before. */
export function Panel({ title, of, onClose, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.key === "Escape" && !isTyping(event.target) && document.querySelector("dialog[open]") === null) {
      onClose();
    }
  });
  const before = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each row that is shown takes the focus
  useEffect(() => {
    const { activeElement } = document;
    if (activeElement instanceof HTMLElement && activeElement.closest("aside") === null) {
      before.current = activeElement;
    }
    heading.current?.focus({ preventScroll: true });
  }, [of]);
  useEffect(() => () => void (document.activeElement === document.body && before.current?.focus({ preventScroll: true })), []);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
  return (
    <aside className={split.panel} aria-labelledby="details">
      <header>
        <h2 id="details" ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <button type="button" className={ui.ghost} aria-label="Close the details" onClick={onClose}>
          ×
        </button>
      </header>
      {children}
    </aside>
  );
}
