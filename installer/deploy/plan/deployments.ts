import { listSubstitutes } from "../../../runtime/plan/count-try.ts";
import type {
  Deployment,
  Deployments,
  Tries,
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
 * What must stay whatever room is needed: what runs, what boots next, what boots where that is bad, the
 * candidate, the newest good one, and what is pinned.
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
      isPinned ||
      own === "candidate" ||
      [running, state.next, state.fallback].includes(n),
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

/**
 * The same with what the boots since the last command have shown: what runs is good, where its boots are not
 * counted; where what boots next is bad, another one does.
 */
export function noteBoots(
  state: Deployments,
  running: number | undefined,
): Deployments {
  const noted = withChanged(state, ({ n, state: own, tries }) =>
    n === running && tries === null && (own === "candidate" || own === "staged")
      ? { state: "good" }
      : undefined,
  );
  const next = findDeployment(noted, noted.next);
  if (next?.state !== "bad") return noted;
  const [substitute] = listSubstitutes(noted, next.n);
  return substitute === undefined
    ? noted
    : { ...noted, next: substitute.n, inPlaceOf: next.n };
}

const NOT_BAD = { failure: null, errors: undefined, hasRestarted: undefined };

/** The same, where this one has proved to work: it boots where a newer one proves bad. */
export function confirm(state: Deployments, n: number): Deployments {
  const next = findDeployment(state, state.next);
  const isBehind = next?.state === "candidate" && next.n !== n;
  return withChanged(
    { ...state, fallback: isBehind ? n : state.fallback },
    (each) =>
      each.n === n && each.state !== "retired"
        ? { state: "good", tries: null, ...NOT_BAD }
        : undefined,
  );
}

/**
 * The deployment that proved bad, and that what runs stands in for: the one that was to boot, which may be older after a
 * rollback; else the newest.
 */
export function findBad(
  state: Deployments,
  running: number | undefined,
): Deployment | undefined {
  if (running === undefined) return undefined;
  const bad = inMenu(state).filter(
    ({ n, state: own }) => own === "bad" && n !== running,
  );
  return (
    bad.find(({ n }) => n === state.next || n === state.inPlaceOf) ??
    bad.findLast(({ n }) => n > running)
  );
}

/** The same, where these are the last errors of this one's last boot. */
export function noteErrors(
  state: Deployments,
  n: number,
  errors: readonly string[],
): Deployments {
  return withChanged(state, (each) => (each.n === n ? { errors } : undefined));
}

/** The same, where the machine is restarted because of this one's kernel. */
export function noteRestart(state: Deployments, n: number): Deployments {
  return withChanged(state, (each) =>
    each.n === n ? { hasRestarted: true } : undefined,
  );
}

/** The same, where an orderly shutdown has ended a boot before it could be confirmed: that was no failure of its. */
export function giveBack(state: Deployments, n: number): Deployments {
  return withChanged(state, (each) =>
    each.n === n && each.state === "candidate" && each.tries !== null
      ? { tries: takeBack(each.tries) }
      : undefined,
  );
}

/** A machine that restarts by itself, in good order and for ever, is no user who is in a hurry. */
const MAX_DONE = 10;

function takeBack({ left, done }: Tries): Tries {
  return done >= MAX_DONE ? { left, done } : { left: left + 1, done };
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
 * The same, where this one has its entry and boots next. A candidate goes for it, unless it runs or is pinned.
 * @param tries how often it may boot before it is confirmed; `null` where that is not counted
 */
export function bringIn(
  state: Deployments,
  next: number,
  running: number | undefined,
  tries: Tries | null,
): Deployments {
  const fallback = findFallback(state, next, running);
  return withChanged(
    { ...state, next, fallback, inPlaceOf: undefined },
    ({ n, state: own, isPinned }) => {
      if (n === next) return { state: "candidate", tries };
      return own === "candidate" && n !== running && !isPinned
        ? { state: "retired" }
        : undefined;
    },
  );
}

/** The same, where this one boots next. One that was bad is tried anew. */
export function bootNext(
  state: Deployments,
  { n }: Deployment,
  running: number | undefined,
): Deployments {
  const fallback = findFallback(state, n, running);
  const chosen = { ...state, next: n, fallback, inPlaceOf: undefined };
  return withChanged(chosen, (each) =>
    each.n === n && each.state === "bad"
      ? {
          state: "candidate",
          ...NOT_BAD,
          tries: each.tries && { left: DEFAULT_TRIES, done: 0 },
        }
      : undefined,
  );
}

/** What boots where that proves bad: what runs, if that is known to be good. */
function findFallback(
  state: Deployments,
  next: number,
  running: number | undefined,
): number | null {
  const [newest] = listSubstitutes(
    { ...state, fallback: running ?? null },
    next,
  );
  return newest?.n ?? null;
}

/** So often a candidate may boot before it is confirmed, where nobody says otherwise. */
export const DEFAULT_TRIES = 3;

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

/**
 * The same with what the boot loader has counted: it also counts what dies before dockroot begins.
 * @param counted what its menu has of each deployment
 */
export function noteCounted(
  state: Deployments,
  counted: readonly { readonly n: number; readonly tries: Tries | null }[],
  running: number | undefined,
): Deployments {
  return withChanged(state, ({ n, state: own, tries }) => {
    const found = counted.find((each) => each.n === n)?.tries ?? null;
    if (own !== "candidate" || tries === null || found === null)
      return undefined;
    if (found.left === 0 && n !== running) {
      return {
        state: "bad",
        failure:
          found.done === 1
            ? "the boot loader has started it once, and that boot was not confirmed"
            : `the boot loader has started it ${String(found.done)} times, and none of these boots was confirmed`,
      };
    }
    return found.left < tries.left ? { tries: found } : undefined;
  });
}
