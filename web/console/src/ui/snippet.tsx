import { type ReactNode, useState } from "react";
import ui from "./ui.module.css";

/** Copies a text. Browsers have no clipboard for pages that come over plain HTTP from another machine: there is no button then. */
export function CopyButton({ text, children = "Copy" }: { text: string; children?: ReactNode }) {
  const [copied, setCopied] = useState(false);
  const clipboard = "clipboard" in navigator ? navigator.clipboard : undefined;
  return (
    clipboard && (
      <>
        <button
          type="button"
          className={ui.ghost}
          onClick={() =>
            clipboard.writeText(text).then(
              () => setCopied(true),
              () => setCopied(false),
            )
          }
          onBlur={() => setCopied(false)}
        >
          {copied ? "Copied" : children}
        </button>
        <span role="status" className={ui.unseen}>
          {copied && "Copied to the clipboard."}
        </span>
      </>
    )
  );
}

/** Text to copy, and before it what chooses the text. */
export function Snippet({ text, label, children }: { text: string; label: string; children?: ReactNode }) {
  return (
    <>
      <div className={ui.toolbar}>
        {children}
        <CopyButton text={text} />
      </div>
      <pre aria-label={label} tabIndex={0}>
        {text}
      </pre>
    </>
  );
}
