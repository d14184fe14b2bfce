/** Something to be run in the runner's slots. */
export interface Task {
  readonly name: string;
  /** Those of a lower number begin first, whatever they take. */
  readonly stage: number;
  readonly seconds: number;
  readonly weight: number;
  /** Names of tasks that must have ended before. */
  readonly needs: readonly string[];
  /** What no other task that names it may use at the same time. */
  readonly alone: readonly string[];
}

/**
 * Chooses the task that begins next: of those that can, one of the earliest stage, and of these the
 * longest. A task wider than all slots runs by itself.
 * @param pending have not begun
 * @returns `undefined` where nothing can begin before one that runs has ended
 */
export function chooseNext<T extends Task>(
  pending: readonly T[],
  running: readonly Task[],
  slots: number,
): T | undefined {
  const unfinished = new Set([...pending, ...running].map(({ name }) => name));
  const taken = running.reduce((sum, { weight }) => sum + weight, 0);
  const inUse = new Set(running.flatMap(({ alone }) => alone));
  const startable = pending.filter(
    ({ weight, needs, alone }) =>
      (taken === 0 || taken + weight <= slots) &&
      !needs.some((name) => unfinished.has(name)) &&
      !alone.some((name) => inUse.has(name)),
  );
  return startable.toSorted(
    (one, other) => one.stage - other.stage || other.seconds - one.seconds,
  )[0];
}
