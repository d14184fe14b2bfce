/**
 * The kernel command line as a list of options, in their order.
 *
 * Spaces separate options, double quotes protect spaces; quotes around a whole option or a whole
 * value are dropped, others stay, as the kernel does it (`next_arg` in lib/cmdline.c). What follows
 * `--` is for init and is left out. Only ASCII's white space separates: a name may have other.
 */
export interface CmdlineOption {
  readonly key: string;
  /** `undefined` for a bare flag, `""` for `key=`. */
  readonly value: string | undefined;
}

/** @param text what /proc/cmdline holds; a NUL ends it */
export function parseCmdline(text: string): CmdlineOption[] {
  const [commandLine = ""] = text.split("\0", 1);
  const words: readonly string[] = commandLine.match(WORD) ?? [];
  const end = words.indexOf("--");
  return words.slice(0, end === -1 ? undefined : end).map(parseWord);
}

/** A quote without its end lasts to the end of the text. */
const WORD = /(?:[^ \t\n\v\f\r"]|"[^"]*(?:"|$))+/g;

/**
 * One value for each key: of a repeated option the last one counts, but systemd joins all `rootflags=`
 * (systemd-fstab-generator(8)).
 */
export function lastValues(
  options: readonly CmdlineOption[],
): ReadonlyMap<string, string | undefined> {
  const values = new Map(options.map(({ key, value }) => [key, value]));
  const flags = options.filter(({ key }) => key === "rootflags");
  if (flags.length > 1) {
    values.set("rootflags", flags.flatMap(({ value }) => value || []).join());
  }
  return values;
}

function parseWord(word: string): CmdlineOption {
  const whole = word.startsWith('"') ? unquote(word) : word;
  const equals = whole.indexOf("=");
  if (equals <= 0) return { key: whole, value: undefined };
  return {
    key: whole.slice(0, equals),
    value: unquote(whole.slice(equals + 1)),
  };
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1).replace(/"$/, "") : text;
}
