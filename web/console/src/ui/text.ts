/**
 * Shows the hidden characters of a text that somebody else has chosen: marks
 * that turn the direction of writing, or have no width, could make one name look
 * like another.
 */
export function showHidden(text: string): string {
  return text.replace(/[\p{Cf}\p{Zl}\p{Zp}]|(?![\n\t])\p{Cc}/gu, (mark) =>
    Array.from({ length: mark.length }, (_, i) => `\\u${mark.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** The text with a full stop, and a capital where it begins with a word; a URL or a name stays as it is. */
export function sentence(text: string): string {
  const begun = text.replace(/^\p{Ll}[\p{L}'’-]*(?=[\s,;]|[.!?]?$)/u, (word) => word.charAt(0).toUpperCase() + word.slice(1));
  return ended(begun);
}

/** The text with a full stop, or another mark, at its end. */
export function ended(text: string): string {
  return /[.!?]”?$/.test(text) ? text : `${text}.`;
}
