import type { Deployment, Deployments } from "../records/deployments.ts";

/** What becomes of the deployments when one of them boots. */
export interface CountedTry {
  /** What deployments.json is to say before the root is in place; `undefined` where it says that already. */
  readonly state: Deployments | undefined;
  /** The deployment that was asked for, where another one is to boot in its place. */
  readonly givenUp: Deployment | undefined;
}

/**
 * Counts the boot of a deployment. A candidate whose boots are counted and that has none left is bad,
 * whichever deployment boots. A bad one boots only where somebody has chosen it: not where it is what the
 * menu starts by itself, or may still do, which the initramfs cannot change.
 * @param n the kernel option `dockroot.deployment=`
 */
export function countTry(state: Deployments, n: number): CountedTry {
  const deployments = state.deployments.map((each) =>
    isCounted(each) ? countOne(each, n) : each,
  );
  const isSame = deployments.every((each) => state.deployments.includes(each));
  const asked = deployments.find((each) => each.n === n);
  const isGivenUp =
    asked?.state === "bad" &&
    ([state.next, state.formerNext].includes(n) ||
      !state.deployments.includes(asked));
  return {
    state: isSame ? undefined : { ...state, deployments },
    givenUp: isGivenUp ? asked : undefined,
  };
}

type Counted = Deployment & {
  readonly tries: NonNullable<Deployment["tries"]>;
};

function isCounted(deployment: Deployment): deployment is Counted {
  return deployment.state === "candidate" && deployment.tries !== null;
}

function countOne(deployment: Counted, n: number): Deployment {
  const { left, done } = deployment.tries;
  if (left === 0) return { ...deployment, ...describeUsedUp(done) };
  return deployment.n === n
    ? { ...deployment, tries: { left: left - 1, done: done + 1 } }
    : deployment;
}

function describeUsedUp(done: number) {
  return {
    state: "bad",
    failure:
      done === 1
        ? "it has booted once, and that boot was not confirmed"
        : `it has booted ${String(done)} times, and none of these boots was confirmed`,
  } as const;
}

/**
 * The same, where this deployment is bad. What boots next is not changed: that is the menu's to say.
 * @param failure why, as a sentence without a full stop
 */
export function markBad(
  state: Deployments,
  n: number,
  failure: string,
): Deployments {
  return {
    ...state,
    deployments: state.deployments.map((each) =>
      each.n === n ? { ...each, state: "bad", failure } : each,
    ),
  };
}

/** The deployments that can boot in another's place, the best first: those that have proved that they do. */
export function listSubstitutes(
  { deployments, fallback }: Deployments,
  n: number,
): readonly Deployment[] {
  const good = deployments
    .filter((each) => each.n !== n && each.state === "good")
    .toReversed();
  const isMeant = (each: Deployment) => each.n === fallback;
  return [...good.filter(isMeant), ...good.filter((each) => !isMeant(each))];
}
