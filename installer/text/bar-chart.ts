/** Every console, serial line, font and log has it, whatever the locale. */
const BAR = "#";

interface Bar {
  readonly label: string;
  readonly amount: number;
  /** The amount in words. */
  readonly shown: string;
}

/**
 * A line for each bar: the amount, the bar in proportion to the longest, the label, which is cut
 * where it does not fit.
 */
export function formatBarChart(
  bars: readonly Bar[],
  { columns, barWidth }: { columns: number; barWidth: number },
): string[] {
  const longest = Math.max(0, ...bars.map(({ amount }) => amount));
  const shownWidth = Math.max(0, ...bars.map(({ shown }) => shown.length));
  return bars.map(({ label, amount, shown }) => {
    const length =
      longest === 0 ? 0 : Math.round((amount / longest) * barWidth);
    const start = `${shown.padStart(shownWidth)}  ${BAR.repeat(length).padEnd(barWidth)}  `;
    return start + cut(label, columns - start.length);
  });
}

/** Cuts a text to this many characters, its end shown by dots. */
export function cut(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  return `${characters.slice(0, Math.max(0, length - 3)).join("")}...`;
}
