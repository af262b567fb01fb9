import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Failure } from "./failure";
import ui from "./ui.module.css";

/** The cause where the user gives none. */
const defaultCause = "ended in the console";

/** How long a cause may be. The server refuses longer ones. */
const longestCause = 500;

interface Props {
  title: ReactNode;
  /** What the button says. */
  action: string;
  /** Does it. The dialog stays open where it fails, and can be confirmed again. */
  run: (cause: string) => Promise<void>;
  /** Is called when it is done and the dialog is closed: the button that had the focus may be gone. */
  onDone?: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before something is ended or revoked, and for the cause. */
export function Confirm({ title, action, run, onDone, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [cause, setCause] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  const doing = useMutation({
    mutationFn: () => run(cause.trim() || defaultCause),
    onSuccess: () => {
      dialog.current?.close();
      onDone?.();
    },
  });
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="confirm" aria-describedby="which">
      <h2 id="confirm">{title}</h2>
      {children}
      <label className={ui.field}>
        Cause
        <input type="text" value={cause} maxLength={longestCause} placeholder={defaultCause} onChange={(event) => setCause(event.target.value)} />
      </label>
      {doing.isError && <Failure error={doing.error} />}
      <div className={ui.actions}>
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" className={ui.dangerFilled} disabled={doing.isPending} onClick={() => doing.mutate()}>
          {action}
        </button>
      </div>
    </dialog>
  );
}
