/**
 * A line of a CSV file (RFC 4180). Every cell is quoted, and one that a spreadsheet
 * would take for a formula begins with an apostrophe: whoever chooses a name could
 * otherwise run something on the machine of whoever opens the file.
 */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => `"${harmless(cell).replaceAll('"', '""')}"`).join(",")}\r\n`;
}

function harmless(cell: string): string {
  // Spreadsheets pass over blanks and hidden characters at the beginning, and know full-width signs too.
  return /^[\s\p{Cc}\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]/u.test(cell) || /^[\t\r\n]/.test(cell) ? `'${cell}` : cell;
}
