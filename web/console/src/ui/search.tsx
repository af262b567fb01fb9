import { useEffect, useEffectEvent, useState } from "react";

/** How many milliseconds somebody who types must pause before the server is asked. */
const pause = 200;

interface Props {
  label: string;
  placeholder: string;
  value: string;
  /** Is called when somebody has typed and pauses, presses Enter or goes on to something else. */
  onSearch: (text: string) => void;
}

/** A field to search with. What is typed is there at once, and searched for a moment later. */
export function SearchField({ label, placeholder, value, onSearch }: Props) {
  const [text, setText] = useState(value);
  const [sent, setSent] = useState(value);
  const [before, setBefore] = useState(value);
  if (value !== before) {
    setBefore(value);
    if (value !== sent) {
      setSent(value); // by a link, and not by what was typed here
      setText(value);
    }
  }
  const search = () => {
    setSent(text);
    onSearch(text);
  };
  const later = useEffectEvent(search);
  useEffect(() => {
    if (text === sent) {
      return undefined;
    }
    const timer = setTimeout(() => later(), pause);
    return () => clearTimeout(timer);
  }, [text, sent]);
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={placeholder}
      spellCheck={false}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={(event) => event.key === "Enter" && text !== sent && search()}
      onBlur={() => text !== sent && search()}
    />
  );
}
