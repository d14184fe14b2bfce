import { createRandom } from "../../fixtures/random.ts";

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

/**
 * Takes a sample: cuts the list into stretches of nearly the same length and takes one fault of each.
 * Seeds that follow each other take all of the list in as many samples as the longest stretch has
 * faults, `ceil(faults.length / count)`.
 * @param count how many, at most
 */
export function sampleFaults<T>(
  faults: readonly T[],
  count: number,
  seed: number,
): T[] {
  const stretches = Math.min(count, faults.length);
  const startOf = (stretch: number) =>
    Math.floor((stretch * faults.length) / stretches);
  return Array.from({ length: stretches }, (_, stretch) => {
    const start = startOf(stretch);
    const length = startOf(stretch + 1) - start;
    // Each stretch begins elsewhere: like faults often stand at equal distances.
    const shift = createRandom(stretch).below(length);
    return start + ((seed + shift) % length);
  }).flatMap((index) => faults.slice(index, index + 1));
}
