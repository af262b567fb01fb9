import split from "./split.module.css";
import ui from "./ui.module.css";

/** Says how many rows are new, and shows them when the user asks: rows never move by themselves. */
export function Fresh({ count, more = false, onShow }: { count: number; more?: boolean; onShow: () => void }) {
  return (
    <div role="status" className={count === 0 ? ui.unseen : split.fresh}>
      {count > 0 && (
        <button type="button" onClick={onShow}>
          {more && "More than "}
          {count} new
        </button>
      )}
    </div>
  );
}
