/**
 * Names for a message: the first few, and how many more there are.
 * @param max how many are listed
 */
export function listNames(names: readonly string[], max = 8): string {
  const more = names.length - max;
  const listed = names.slice(0, max).join(", ");
  return more > 0 ? `${listed} and ${String(more)} more` : listed;
}
