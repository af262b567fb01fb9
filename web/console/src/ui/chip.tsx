import { Id } from "./names";
import split from "./split.module.css";
import ui from "./ui.module.css";

/** A filter that is set, and a button that removes it. */
export function Chip({ name, value, onRemove }: { name: string; value: string | undefined; onRemove: () => void }) {
  return (
    value !== undefined && (
      <span className={split.chip}>
        <span>
          {name} <Id>{value}</Id>
        </span>
        <button type="button" className={ui.ghost} aria-label={`Remove the filter ${name}`} onClick={onRemove}>
          ×
        </button>
      </span>
    )
  );
}
