import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { newRequestId } from "../api/requestid";
import { Failure } from "./failure";
import ui from "./ui.module.css";

/** How long a cause may be. The server refuses longer ones. */
const longestCause = 500;

/** What a press of the button does. */
export interface Press {
  cause: string;
  /** The same for each press with the same cause: the server does it once. */
  requestId: string;
  /** Is aborted when the dialog is closed. */
  signal: AbortSignal;
}

interface Props {
  title: ReactNode;
  /** What the button says. */
  action: string;
  /** The cause where the user gives none. */
  defaultCause?: string;
  /** Does it. The dialog stays open where it fails, and can be confirmed again. */
  run: (press: Press) => Promise<void>;
  /** Is called when it is done and the dialog is closed, unless the user has closed it before: the button that had the focus may be gone. */
  onDone?: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before something is ended or revoked, and for the cause. */
export function Confirm({ title, action, defaultCause = "ended in the console", run, onDone, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [closed] = useState(() => new AbortController());
  const requestIds = useRef(new Map<string, string>());
  const [text, setText] = useState("");
  const cause = text.trim() || defaultCause;
  useEffect(() => dialog.current?.showModal(), []);
  const doing = useMutation({
    mutationFn: () => {
      const requestId = requestIds.current.get(cause) ?? newRequestId();
      requestIds.current.set(cause, requestId);
      return run({ cause, requestId, signal: closed.signal });
    },
    onSuccess: () => {
      if (!closed.signal.aborted) {
        dialog.current?.close();
        onDone?.();
      }
    },
  });
  const close = () => {
    closed.abort();
    onClose();
  };
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="confirm" aria-describedby="which">
      <h2 id="confirm">{title}</h2>
      {children}
      <label className={ui.field}>
        Cause
        <input type="text" value={text} maxLength={longestCause} placeholder={defaultCause} onChange={(event) => setText(event.target.value)} />
      </label>
      {doing.isError && <Failure error={doing.error} />}
      <div className={ui.actions}>
        <button type="button" onClick={() => dialog.current?.close()}>
          {doing.isPending ? "Stop" : "Cancel"}
        </button>
        <button type="button" className={ui.dangerFilled} disabled={doing.isPending} onClick={() => doing.mutate()}>
          {action}
        </button>
      </div>
    </dialog>
  );
}
