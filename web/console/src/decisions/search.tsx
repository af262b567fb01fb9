import { useState } from "react";
import styles from "./decisions.module.css";
import type { Filter } from "./watch";

/** What decisions are searched for by, and what it is called. */
const names = { subject: "Subject", request: "Request id", trace: "Trace id" } as const;

type By = keyof typeof names;

/** What a filter searches for: the first of these that it has. */
export function searchedBy(filter: Filter): By | undefined {
  return (Object.keys(names) as By[]).find((by) => filter[by] !== undefined);
}

/** Searches for a subject, or for the id that somebody has sent who was refused. */
export function Search({ filter, onSearch }: { filter: Filter; onSearch: (searched: Pick<Filter, By>) => void }) {
  const searched = searchedBy(filter);
  const value = searched === undefined ? "" : (filter[searched] ?? "");
  const [by, setBy] = useState(searched ?? "subject");
  const [text, setText] = useState(value);
  const [before, setBefore] = useState({ searched, value });
  if (before.searched !== searched || before.value !== value) {
    setBefore({ searched, value }); // by a link, or by this field
    setBy(searched ?? by);
    setText(value);
  }
  const search = (text: string) => onSearch({ subject: undefined, request: undefined, trace: undefined, [by]: text.trim() || undefined });
  return (
    <form
      className={styles.search}
      onSubmit={(event) => {
        event.preventDefault();
        search(text);
      }}
    >
      <select aria-label="Search by" value={by} onChange={(event) => setBy(event.target.value as By)}>
        {(Object.entries(names) as [By, string][]).map(([by, name]) => (
          <option key={by} value={by}>
            {name}
          </option>
        ))}
      </select>
      <input
        type="search"
        aria-label={names[by]}
        placeholder={`${names[by]}, then Enter`}
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          if (event.target.value === "" && value !== "") {
            search("");
          }
        }}
      />
    </form>
  );
}
