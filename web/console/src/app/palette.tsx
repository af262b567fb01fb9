import { useNavigate } from "@tanstack/react-router";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import ui from "../ui/ui.module.css";
import { documentation } from "./config";
import type { pages as allPages } from "./pages";
import palette from "./palette.module.css";

interface Command {
  name: string;
  about: string;
  run: () => void;
}

interface Props {
  pages: typeof allPages;
  onSignOut: () => void;
  onShortcuts: () => void;
  onClose: () => void;
}

/** Finds pages, sessions and commands by their name (the ARIA pattern "combobox with a listbox"). */
export function Palette({ pages, onSignOut, onShortcuts, onClose }: Props) {
  const navigate = useNavigate();
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);

  const commands = useMemo<Command[]>(() => {
    const query = text.trim();
    const all: Command[] = [
      ...pages.map(({ to, name, about }) => ({ name, about, run: () => void navigate({ to }) })),
      { name: "Shortcuts", about: "Keys that work on every page", run: onShortcuts },
      { name: "Documentation", about: "Opens in a new window", run: () => void window.open(documentation, "_blank", "noreferrer") },
      { name: "Sign out", about: "Of this window", run: onSignOut },
    ];
    const found = all.filter(({ name, about }) => `${name} ${about}`.toLowerCase().includes(query.toLowerCase()));
    if (query !== "") {
      const has = (to: string) => pages.some((page) => page.to === to);
      found.push({ name: `Search sessions for “${query}”`, about: "Sessions", run: () => void navigate({ to: "/sessions", search: { q: query } }) });
      found.push({
        name: `Users that begin with “${query}”`,
        about: "Sessions by user, to end all of one",
        run: () => void navigate({ to: "/sessions", search: { q: query, group: "subject" } }),
      });
      if (has("/decisions")) {
        found.push({
          name: `Decisions about “${query}”`,
          about: "Calls of a subject, live",
          run: () => void navigate({ to: "/decisions", search: { subject: query } }),
        });
        found.push({
          name: `Decisions with the request id “${query}”`,
          about: "Of the call whose error has it",
          run: () => void navigate({ to: "/decisions", search: { request: query } }),
        });
      }
      if (has("/revocations")) {
        found.push({
          name: `Search revocations for “${query}”`,
          about: "Name, cause or by whom",
          run: () => void navigate({ to: "/revocations", search: { q: query } }),
        });
      }
    }
    return found;
  }, [text, pages, navigate, onShortcuts, onSignOut]);
  const current = Math.min(chosen, commands.length - 1);
  useEffect(() => {
    document.getElementById(`${id}${current}`)?.scrollIntoView({ block: "nearest" });
  }, [id, current]);

  const run = (command: Command | undefined) => {
    dialog.current?.close();
    command?.run();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setChosen((current + step + commands.length) % commands.length);
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      run(commands[current]);
    }
  };
  return (
    <dialog
      ref={dialog}
      className={palette.dialog}
      aria-label="Find"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <input
        type="text"
        role="combobox"
        aria-label="Find a page, a session or a command"
        aria-expanded="true"
        aria-controls={`${id}list`}
        aria-activedescendant={`${id}${current}`}
        placeholder="Find a page, a session or a command"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div role="listbox" id={`${id}list`} aria-label="Found" className={palette.list}>
        {commands.map((command, i) => (
          <div
            key={command.name}
            role="option"
            tabIndex={-1}
            id={`${id}${i}`}
            aria-selected={i === current}
            onClick={() => run(command)}
            onPointerMove={() => setChosen(i)}
          >
            <span>{command.name}</span> <span className={ui.quiet}>{command.about}</span>
          </div>
        ))}
      </div>
    </dialog>
  );
}
