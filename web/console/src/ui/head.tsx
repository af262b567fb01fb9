import { type ReactNode, useEffect, useRef } from "react";
import ui from "./ui.module.css";

/** The head of a page, and the title of the document. The heading takes the focus, so that screen readers say the new page. */
export function Head({ title, children }: { title: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ostiary`;
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <header className={ui.head}>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {children}
    </header>
  );
}
