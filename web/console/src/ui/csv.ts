/**
 * Returns a line of a CSV file (RFC 4180). Every cell is quoted. A cell that a spreadsheet
 * would run as a formula gets an apostrophe in front: users can choose their names, and
 * an operator opens the file.
 */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => `"${harmless(cell).replaceAll('"', '""')}"`).join(",")}\r\n`;
}

function harmless(cell: string): string {
  // Spreadsheets pass over blanks and hidden characters at the beginning, and know full-width signs too.
  return /^[\s\p{Cc}\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]/u.test(cell) || /^[\t\r\n]/.test(cell) ? `'${cell}` : cell;
}
