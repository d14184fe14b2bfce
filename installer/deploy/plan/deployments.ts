import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";

/** So many deployments stay, where none of them has to. */
export const KEPT_DEPLOYMENTS = 3;

/** Those that have a menu entry: all but those whose making or whose removal was interrupted. */
export function inMenu({ deployments }: Deployments): readonly Deployment[] {
  return deployments.filter(
    ({ state }) => state !== "staged" && state !== "retired",
  );
}

export function findDeployment(
  { deployments }: Deployments,
  n: number | null,
): Deployment | undefined {
  return deployments.find((deployment) => deployment.n === n);
}

/** The same, where those for which `change` gives something are changed so. */
export function withChanged(
  state: Deployments,
  change: (deployment: Deployment) => Partial<Deployment> | undefined,
): Deployments {
  return {
    ...state,
    deployments: state.deployments.map((deployment) => ({
      ...deployment,
      ...change(deployment),
    })),
  };
}

/**
 * What must stay whatever room is needed: what runs, what boots next, the candidate, the newest good
 * one, and what is pinned.
 * @param running the number of the deployment that runs
 */
export function findProtected(
  state: Deployments,
  running: number | undefined,
): ReadonlySet<number> {
  const shown = inMenu(state);
  const newestGood = shown.findLast(
    ({ state, n }) => state === "good" && n !== running,
  );
  const kept = shown.filter(
    ({ n, isPinned, state: own }) =>
      isPinned || own === "candidate" || n === running || n === state.next,
  );
  return new Set(
    [...kept, ...(newestGood ? [newestGood] : [])].map(({ n }) => n),
  );
}

/**
 * Which deployments can go to make room, the first one first: bad ones, then the oldest.
 * @param running the number of the deployment that runs
 */
export function listRemovable(
  state: Deployments,
  running: number | undefined,
): readonly Deployment[] {
  const stays = findProtected(state, running);
  const free = inMenu(state).filter(({ n }) => !stays.has(n));
  const isBad = ({ state }: Deployment) => state === "bad";
  return [...free.filter(isBad), ...free.filter((each) => !isBad(each))];
}

/** Which deployments are past the limit. */
export function chooseRetired(
  state: Deployments,
  running: number | undefined,
  limit = KEPT_DEPLOYMENTS,
): readonly Deployment[] {
  const excess = inMenu(state).length - limit;
  return listRemovable(state, running).slice(0, Math.max(0, excess));
}

/** As people and menus call it. */
export function nameDeployment({ n, image, kernel }: Deployment): string {
  return `dockroot ${String(n)}: ${image.reference} (${kernel.release})`;
}

/** The same, where what runs has proved to boot: its menu entry was there, whatever became of writing that. */
export function markGood(
  state: Deployments,
  running: number | undefined,
): Deployments {
  return withChanged(state, ({ n, state: own }) =>
    n === running && (own === "candidate" || own === "staged")
      ? { state: "good" }
      : undefined,
  );
}

/** The same, where these are to be removed. */
export function retire(
  state: Deployments,
  gone: readonly Deployment[],
): Deployments {
  return withChanged(state, (each) =>
    gone.some(({ n }) => n === each.n) ? { state: "retired" } : undefined,
  );
}

/**
 * The same, where this one has its entry and boots next. A candidate that has not booted goes for it: there is
 * one at most.
 */
export function bringIn(
  state: Deployments,
  next: number,
  running: number | undefined,
): Deployments {
  return withChanged({ ...state, next }, ({ n, state: own, isPinned }) => {
    if (n === next) return { state: "candidate" };
    return own === "candidate" && n !== running && !isPinned
      ? { state: "retired" }
      : undefined;
  });
}

/**
 * What a rollback takes: what runs, where something newer boots next; else, of the others that have
 * booted, the newest one before that, or the newest.
 */
export function findRollback(
  state: Deployments,
  running: number | undefined,
): Deployment | undefined {
  const { next } = state;
  const current = findDeployment(state, running ?? null);
  if (current !== undefined && next !== running) return current;
  const others = inMenu(state).filter(
    ({ n, state: own }) => n !== next && own === "good",
  );
  return others.findLast(({ n }) => next === null || n < next) ?? others.at(-1);
}
