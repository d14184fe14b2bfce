/**
 * Chooses the faults that a campaign injects: whole rounds as far as they fit, and evenly from the
 * one that does not.
 * @param rounds all the faults there are, what matters most first
 * @param wanted how many; `Infinity` for all
 */
export function chooseFaults<T>(
  rounds: readonly (readonly T[])[],
  wanted: number,
): T[] {
  const chosen: T[] = [];
  for (const round of rounds) {
    const count = Math.min(wanted - chosen.length, round.length);
    chosen.push(
      ...round.filter(
        (_, index) =>
          Math.floor((index * count) / round.length) <
          Math.floor(((index + 1) * count) / round.length),
      ),
    );
  }
  return chosen;
}
