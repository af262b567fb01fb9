import { Link, useRouter } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Watched } from "../auth/identity";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import { useApp } from "./app";
import { documentation } from "./config";
import { Connection } from "./connection";
import { Palette } from "./palette";
import { usePages } from "./permitted";
import shell from "./shell.module.css";
import { Shortcuts, useShortcuts } from "./shortcuts";

interface Props {
  /** Undefined where nobody is signed in: there is no navigation then. */
  watched?: Watched;
  onSignOut?: () => void;
  children: ReactNode;
}

/** What is around every page: the name of the server, the navigation and the account. */
export function Shell({ watched, onSignOut, children }: Props) {
  const { config } = useApp();
  if (watched === undefined || onSignOut === undefined) {
    return (
      <div className={shell.outside}>
        <header className={shell.top}>
          <Brand development={config.personas} />
        </header>
        <main id="main" className={shell.main}>
          {children}
        </main>
      </div>
    );
  }
  return (
    <Inside watched={watched} onSignOut={onSignOut}>
      {children}
    </Inside>
  );
}

function Inside({ watched, onSignOut, children }: Required<Props>) {
  const { config } = useApp();
  const pages = usePages(watched.identity !== undefined);
  const [open, setOpen] = useState<"palette" | "shortcuts">();
  useShortcuts(pages, setOpen);
  const router = useRouter();
  const main = useRef<HTMLElement>(null);
  const names = pages.map(({ to }) => to).join(" ");
  // The pages can be opened when the server is away.
  useEffect(() => {
    for (const to of names.split(" ")) {
      void router.preloadRoute({ to });
    }
  }, [router, names]);
  return (
    <div className={shell.inside}>
      {/* No link: the fragment of the address may name what is shown. */}
      <button type="button" className={shell.skip} onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <header className={shell.top}>
        <Brand development={config.personas} />
      </header>
      <nav className={shell.nav} aria-label="Pages">
        {pages.map(({ to, name, icon }) => (
          <Link key={to} to={to} activeOptions={{ exact: true, includeSearch: false }}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              {icon}
            </svg>
            {name}
          </Link>
        ))}
        <button type="button" className={shell.more} onClick={() => setOpen("palette")}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M5 12h.01M12 12h.01M19 12h.01" />
          </svg>
          More
        </button>
      </nav>
      <section className={shell.tools} aria-label="Help">
        <button type="button" className={ui.ghost} onClick={() => setOpen("palette")} aria-keyshortcuts="Control+K">
          <span>Find</span> <kbd className={ui.kbd}>Ctrl K</kbd>
        </button>
        <button type="button" className={ui.ghost} onClick={() => setOpen("shortcuts")} aria-keyshortcuts="?">
          <span>Shortcuts</span> <kbd className={ui.kbd}>?</kbd>
        </button>
        <a href={documentation} target="_blank" rel="noreferrer">
          Documentation
        </a>
        <p className={shell.version}>ostiary {config.version}</p>
      </section>
      <section className={shell.account} aria-label="Account">
        <Caller watched={watched} />
        <button type="button" className={ui.ghost} onClick={onSignOut}>
          Sign out
        </button>
      </section>
      <div className={shell.content}>
        <Connection watched={watched} />
        <main id="main" ref={main} className={shell.main} tabIndex={-1}>
          {children}
        </main>
      </div>
      {open === "palette" && <Palette pages={pages} onSignOut={onSignOut} onShortcuts={() => setOpen("shortcuts")} onClose={() => setOpen(undefined)} />}
      {open === "shortcuts" && <Shortcuts pages={pages} version={config.version} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

/** The name of the server, and whether it is one for development. */
function Brand({ development }: { development: boolean }) {
  return (
    <>
      <span className={shell.brand}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M5 21V10a7 7 0 0 1 14 0v11M2.5 21h19" />
          <circle cx="12" cy="14" r="1.6" />
        </svg>
        ostiary
      </span>
      <span className={shell.server} title={location.host}>
        {location.host}
      </span>
      {development && <span className={shell.development}>development</span>}
    </>
  );
}

/** Who calls, and before that who acts in the caller's name. */
function Caller({ watched }: { watched: Watched }) {
  const { subject = "", actor } = watched.identity ?? {};
  const name = showHidden(subject);
  if (actor === undefined) {
    return (
      <span className={shell.caller} data-testid="caller" title={name}>
        <bdi>{name}</bdi>
      </span>
    );
  }
  const acting = showHidden(actor.subject);
  return (
    <span className={`${shell.caller} ${shell.acting}`} data-testid="caller" title={`${acting} acting as ${name}`}>
      <bdi>{acting}</bdi> <span>acting as</span> <bdi>{name}</bdi>
    </span>
  );
}
