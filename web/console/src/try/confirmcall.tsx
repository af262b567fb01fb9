import { useEffect, useRef } from "react";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import type { Caller } from "./caller";
import { type Callable, procedureOf } from "./schema";

interface Props {
  method: Callable;
  body: string;
  caller: Caller;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before a call that ends or revokes something. The cause is in the body. */
export function ConfirmCall({ method, body, caller, onConfirm, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="confirm">
      <h2 id="confirm">Call {method.name}?</h2>
      <p>
        What the body names is revoked at {location.host}, by <code>{procedureOf(method)}</code>, called {calledAs(caller)}. It cannot be taken back.
      </p>
      <pre className={ui.wrap} tabIndex={0} aria-label="The body of the call">
        {showHidden(body)}
      </pre>
      <div className={ui.actions}>
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button
          type="button"
          className={ui.dangerFilled}
          onClick={() => {
            dialog.current?.close();
            onConfirm();
          }}
        >
          Call {method.name}
        </button>
      </div>
    </dialog>
  );
}

function calledAs(caller: Caller): string {
  switch (caller.who) {
    case "me":
      return "as yourself";
    case "nobody":
      return "without a token";
    case "bearer":
      return "as the bearer of the other token";
    case "persona":
      return `as ${caller.name}`;
  }
}
