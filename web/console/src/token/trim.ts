/**
 * Returns the token in a text that was copied from a header, a shell or a log:
 * without "Authorization:", "Bearer", quotes, and the line breaks of a terminal.
 */
export function trimToken(text: string): string {
  return text
    .replace(/[\s"'`]/g, "")
    .replace(/^authorization[:=]/i, "")
    .replace(/^bearer:?/i, "")
    .replace(/[,;]+$/, "");
}
