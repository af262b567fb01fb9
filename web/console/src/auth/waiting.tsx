import { useEffect, useState } from "react";
import { Head } from "../ui/head";
import ui from "../ui/ui.module.css";

interface Props {
  /** When the wait is over, by this machine's clock. */
  until: number;
  onOver: () => void;
  onSignOut: () => void;
}

/** Says how long a sign-in has to wait after all sessions of the user were ended, and goes on then. */
export function Waiting({ until, onOver, onSignOut }: Props) {
  const [seconds, setSeconds] = useState(() => secondsTo(until));
  useEffect(() => {
    const timer = setInterval(() => setSeconds(secondsTo(until)), 250);
    return () => clearInterval(timer);
  }, [until]);
  const over = seconds <= 0;
  useEffect(() => {
    if (over) {
      onOver();
    }
  }, [over, onOver]);
  return (
    <div className={ui.page}>
      <Head title="One moment" />
      <div className={ui.notice}>
        <p role="status">Your sessions were ended a moment ago. This page goes on by itself when the server accepts new sign-ins.</p>
        <p className={ui.quiet} role="timer">
          {over ? "Going on…" : `${seconds} second${seconds === 1 ? "" : "s"} to go`}
        </p>
        <button type="button" onClick={onSignOut}>
          Sign out
        </button>
      </div>
    </div>
  );
}

function secondsTo(time: number): number {
  return Math.ceil((time - Date.now()) / 1000);
}
