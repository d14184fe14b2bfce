import { RWLAYER } from "./boot-scenarios.ts";
import type { HelperCall } from "./faulty-helpers.ts";
import type { Point } from "./overlaps-helpers.ts";

/** Two run directories, with a name each. */
export const RUN_DIRECTORIES = ["one", "two"] as const;
export type RunDirectory = (typeof RUN_DIRECTORIES)[number];
/** Another rwlayer on the same disk. */
export const OTHER_RWLAYER = "other";

/** What one of the processes is to do. */
export interface Role {
  readonly command: "boot" | "finish";
  readonly run: RunDirectory;
  readonly rwlayer: string;
}

/** Two processes that write to one disk. */
export interface Pair {
  readonly name: string;
  readonly A: Role;
  readonly B: Role;
  /** How many boots came before, which nobody has finished: in the first run directory, then the second. */
  readonly boots: 0 | 1 | 2;
}

const boot = (run: RunDirectory, rwlayer = RWLAYER): Role => ({
  ...{ command: "boot", run, rwlayer },
});
const finish = (run: RunDirectory): Role => ({
  ...{ command: "finish", run, rwlayer: RWLAYER },
});

export const pairs: readonly Pair[] = [
  { name: "two boots", A: boot("one"), B: boot("two"), boots: 0 },
  {
    name: "two boots with one run directory",
    ...{ A: boot("one"), B: boot("one"), boots: 0 },
  },
  {
    name: "two boots of two rwlayers",
    ...{ A: boot("one"), B: boot("two", OTHER_RWLAYER), boots: 0 },
  },
  {
    name: "a boot and another one's finish",
    ...{ A: boot("two"), B: finish("one"), boots: 1 },
  },
  {
    name: "a boot and a finish with one run directory",
    ...{ A: boot("one"), B: finish("one"), boots: 1 },
  },
  {
    name: "a first boot and a finish with one run directory",
    ...{ A: boot("one"), B: finish("one"), boots: 0 },
  },
  {
    name: "a finish and another boot",
    ...{ A: finish("one"), B: boot("two"), boots: 1 },
  },
  {
    name: "a finish and a boot with one run directory",
    ...{ A: finish("one"), B: boot("one"), boots: 1 },
  },
  { name: "two finishes", A: finish("one"), B: finish("two"), boots: 2 },
  {
    name: "two finishes with one run directory",
    ...{ A: finish("one"), B: finish("one"), boots: 1 },
  },
];

/** Where both are to stop, and who goes on first. */
export interface Staging {
  readonly A: Point;
  readonly B: Point;
  readonly first: "A" | "B";
}

/** Of a process's calls of flock: the first is for its run directory, the next for the disk. */
export const DISK_LOCK = 2;

/** Every point of the one with every point of the other, in rounds. */
export interface StagingPlan {
  /** In each of the first, every point of either comes once. */
  readonly rounds: readonly (readonly Staging[])[];
  /** As those of the last round: A has the lock at its point, and B waits for it before its own. */
  readonly alike: readonly (readonly Staging[])[];
}

/**
 * @param calls in the order in which each makes them
 * @param lock which of the calls of flock has to wait for the other process
 */
export function planStagings(
  calls: Readonly<Record<"A" | "B", readonly HelperCall[]>>,
  lock: number,
): StagingPlan {
  const [a, b] = [listPoints(calls.A, lock), listPoints(calls.B, lock)];
  const early = Math.max(a.unlocked, b.unlocked);
  const late = b.points.length - b.unlocked;
  const rounds = Array.from({ length: 2 * early + late }, (): Staging[] => []);
  for (const [i, A] of a.points.entries()) {
    for (const [j, B] of b.points.entries()) {
      if (i >= a.unlocked && j >= b.unlocked) {
        const round = 2 * early + modulo(j - i, late);
        rounds[round]?.push({ A, B, first: "A" });
        continue;
      }
      const round =
        j < b.unlocked ? modulo(j - i, b.unlocked) : modulo(i - j, a.unlocked);
      const [first, then] =
        (i + j) % 2 === 0 ? (["A", "B"] as const) : (["B", "A"] as const);
      rounds[round]?.push({ A, B, first });
      rounds[early + round]?.push({ A, B, first: then });
    }
  }
  return {
    rounds: rounds.slice(0, 2 * early + 1),
    alike: rounds.slice(2 * early + 1),
  };
}

/** @returns with how many of them come before the lock is taken */
function listPoints(
  calls: readonly HelperCall[],
  lock: number,
): { readonly points: Point[]; readonly unlocked: number } {
  const points = calls.flatMap((call): Point[] => [
    { when: "before", ...call },
    { when: "after", ...call },
  ]);
  const taken = points.findIndex(
    ({ work, number }) => work === "flock" && number === lock,
  );
  return { points, unlocked: taken === -1 ? points.length : taken + 1 };
}

function modulo(number: number, divisor: number): number {
  return ((number % divisor) + divisor) % divisor;
}
