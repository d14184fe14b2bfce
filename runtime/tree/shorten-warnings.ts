const MAX_SHOWN = 20;

/** At most so many that they do not flood a console, and how many more there are. */
export function shortenWarnings(warnings: readonly string[]): string[] {
  const more = warnings.length - MAX_SHOWN;
  if (more <= 0) return [...warnings];
  return [
    ...warnings.slice(0, MAX_SHOWN),
    `the top layer gives ${String(more)} more warnings (see: dockroot toplayer check)`,
  ];
}
