/** An argument as a shell and GRUB take it, in quotes where it needs them. */
export function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : quoteForShell(argument);
}

export function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** @see https://fishshell.com/docs/current/language.html#quotes */
export function quoteForFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}

/** @see https://www.rodsbooks.com/refind/configfile.html (a quote inside quotes is doubled) */
export function quoteForRefind(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
