import { useEffect, useRef } from "react";
import { showHidden } from "../ui/text";
import ui from "../ui/ui.module.css";
import type { Api } from "./api";
import type { Caller } from "./caller";
import { type Callable, procedureOf } from "./schema";

interface Props {
  api: Api;
  method: Callable;
  body: string;
  caller: Caller;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before a call that may change something. The cause of a revocation is in the body. */
export function ConfirmCall({ api, method, body, caller, onConfirm, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="confirm">
      <h2 id="confirm">Call {method.name}?</h2>
      {api.backend === "" ? (
        <p>
          What the body names is revoked at {location.host}, by <code>{procedureOf(method)}</code>, called {calledAs(caller)}. It cannot be taken back.
        </p>
      ) : (
        <p>
          <code>{procedureOf(method)}</code> is called at <code>{api.url}</code> {calledAs(caller)}. Its schema does not say that it only reads: it may change
          something for real.
        </p>
      )}
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
