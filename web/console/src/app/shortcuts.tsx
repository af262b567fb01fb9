import { useNavigate } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import * as v from "valibot";
import { isTyping } from "../ui/keys";
import ui from "../ui/ui.module.css";
import type { pages as allPages } from "./pages";

/** How many milliseconds the second key of a shortcut may take. */
const sequenceTimeout = 1500;

const storageKey = "ostiary.shortcuts";
const stored = v.fallback(v.picklist(["on", "off"]), "on");

/** Whether single keys are shortcuts. People who speak to their computer turn them off (WCAG 2.2, 2.1.4). */
function singleKeys(): "on" | "off" {
  return v.parse(stored, localStorage.getItem(storageKey));
}

/** Handles the keys that work on every page. */
export function useShortcuts(pages: typeof allPages, open: (what: "palette" | "shortcuts") => void): void {
  const navigate = useNavigate();
  const sequence = useRef(0);
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const dialog = document.querySelector("dialog[open]") !== null;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      dialog || open("palette");
      return;
    }
    if (dialog || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || singleKeys() === "off") {
      return;
    }
    const page = pages.find(({ key }) => key === event.key);
    if (page !== undefined && Date.now() - sequence.current < sequenceTimeout) {
      sequence.current = 0;
      event.preventDefault();
      void navigate({ to: page.to });
    } else if (event.key === "g") {
      sequence.current = Date.now();
    } else if (event.key === "?") {
      open("shortcuts");
    } else if (event.key === "/") {
      const search = document.querySelector<HTMLInputElement>("input[type=search]");
      if (search !== null) {
        event.preventDefault();
        search.focus();
      }
    }
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
}

/** Lists the shortcuts. */
export function Shortcuts({ pages, version, onClose }: { pages: typeof allPages; version: string; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [on, setOn] = useState(() => singleKeys() === "on");
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    heading.current?.focus(); // and not what is below the keys, which a small window would scroll to
  }, []);
  const keys: [keys: string[], what: string][] = [
    [["Ctrl", "K"], "Find a page, a session or a command"],
    [["?"], "Show these shortcuts"],
    [["/"], "Search on this page"],
    [["Esc"], "Close the panel or the dialog"],
    ...pages.map(({ key, name }): [string[], string] => [["g", key], `Go to ${name}`]),
  ];
  return (
    <dialog ref={dialog} aria-labelledby="shortcuts" onClose={onClose}>
      <h2 id="shortcuts" ref={heading} tabIndex={-1}>
        Shortcuts
      </h2>
      <dl className={ui.facts}>
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd key={name} className={ui.kbd}>
                  {name}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className={ui.check}>
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setOn(event.target.checked);
            localStorage.setItem(storageKey, event.target.checked ? "on" : "off");
          }}
        />
        Single keys are shortcuts
      </label>
      <p className={ui.quiet}>ostiary {version}</p>
      <div className={ui.actions}>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
