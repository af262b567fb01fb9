import type { DescMessage } from "@bufbuild/protobuf";
import { useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import ui from "../ui/ui.module.css";
import { type Completion, completionsAt, faultOf } from "./body";
import styles from "./try.module.css";

interface Props {
  message: DescMessage;
  value: string;
  onChange: (value: string) => void;
  onSubmit: () => void;
}

/** The body of a call in JSON, what is wrong with it and where, and what can be at the cursor. */
export function Body({ message, value, onChange, onSubmit }: Props) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const [cursor, setCursor] = useState(0);
  const [selection, select] = useState<[from: number, to: number]>();
  const fault = useMemo(() => faultOf(message, value), [message, value]);
  const completions = useMemo(() => completionsAt(message, value, cursor), [message, value, cursor]);
  useLayoutEffect(() => {
    if (selection !== undefined) {
      area.current?.focus();
      area.current?.setSelectionRange(...selection);
    }
  }, [selection]);

  const insert = ({ from, to, text }: Completion) => {
    onChange(value.slice(0, from) + text + value.slice(to));
    select(placeOfValue(text, from));
  };
  return (
    <div className={ui.field}>
      <label htmlFor={id}>Body</label>
      <textarea
        id={id}
        ref={area}
        className={ui.mono}
        rows={Math.min(14, value.split("\n").length + 1)}
        spellCheck={false}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-fault`}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onSelect={(event) => setCursor(event.currentTarget.selectionStart)}
        onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && onSubmit()}
      />
      <div className={styles.below}>
        <p id={`${id}-fault`} role="status" className={fault ? ui.danger : ui.quiet}>
          {fault === undefined ? "" : `${lineOf(value, fault.from)}${fault.message}`}
        </p>
        {fault?.from !== undefined && (
          <button type="button" className={ui.ghost} onClick={() => select([fault.from ?? 0, fault.to ?? 0])}>
            Show
          </button>
        )}
      </div>
      {completions.length > 0 && (
        <div role="group" aria-label="What can be at the cursor" className={styles.completions}>
          {completions.map((completion) => (
            <button key={completion.label} type="button" onClick={() => insert(completion)}>
              <code>{completion.label}</code> {completion.type && <span className={ui.quiet}>{completion.type}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Says in which line an offset is. */
function lineOf(text: string, offset: number | undefined): string {
  return offset === undefined ? "" : `Line ${text.slice(0, offset).split("\n").length}: `;
}

/** Where the value is in what was put at an offset, without its quotes, so that typing replaces it. */
function placeOfValue(text: string, offset: number): [from: number, to: number] {
  const begin = text.startsWith('"') && text.includes(": ") ? text.indexOf(": ") + 2 : text.length;
  const end = text.endsWith(",") ? text.length - 1 : text.length;
  const quoted = text[begin] === '"' ? 1 : 0;
  return [offset + begin + quoted, offset + end - quoted];
}
