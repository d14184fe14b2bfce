import { createRandom, type Random } from "../../fixtures/random.ts";
import {
  scenarioNames,
  type Scenario,
  type ScenarioName,
} from "./boot-scenarios.ts";
import type { HelperCall } from "./faulty-helpers.ts";

/** What is done to a dockroot: shell commands. `$1` is its process ID, `$2` a helper's. */
export const ATTACKS = {
  "SIGKILL to dockroot": 'kill -KILL "$1"',
  "SIGKILL to its process group": 'kill -s KILL -- "-$1"',
  "SIGSTOP, then SIGCONT": 'kill -STOP "$1"; pause; kill -CONT "$1"',
  "SIGSTOP, then SIGKILL": 'kill -STOP "$1"; pause; kill -KILL "$1"',
  "SIGTERM to dockroot": 'kill -TERM "$1"',
  "SIGTERM to its process group": 'kill -s TERM -- "-$1"',
  "SIGINT to dockroot": 'kill -INT "$1"',
  "SIGINT to its process group": 'kill -s INT -- "-$1"',
  "SIGKILL to a helper": 'kill -KILL "$2"',
  "SIGKILL to the shell that waits for it": 'kill -KILL "$(parent_of "$1")"',
} as const;

export type Attack = keyof typeof ATTACKS;

/**
 * How the initramfs runs dockroot. `boot`, `finish`: one after the other, and that one is attacked.
 * `early`: both begin early and are joined (installer/assets/dockroot-functions).
 */
export type Flow = "boot" | "finish" | "early";

/** When: at a helper's call, by the number of those for the same work, or so long after the beginning. */
export type Moment =
  | {
      readonly kind: "call";
      readonly call: HelperCall;
      readonly edge: "begin" | "end";
      /** After that; 0: before anything else happens. */
      readonly delayMs: number;
    }
  | { readonly kind: "time"; readonly delayMs: number };

/**
 * What happens then. `again`: the command is run again in the same /run, as after `exit` in the
 * emergency shell. `over`: boot and finish are. `restart`: the machine restarts.
 */
export type Recovery = "again" | "over" | "restart";

/** Which machine is attacked. */
export interface KillMachine {
  readonly fsType: Extract<Scenario["fsType"], "btrfs" | "ext4">;
  readonly scenario: ScenarioName;
}

export const killMachines: readonly KillMachine[] = (
  ["btrfs", "ext4"] as const
).flatMap((fsType) => scenarioNames.map((scenario) => ({ fsType, scenario })));

export interface Injection extends KillMachine {
  readonly seed: number;
  readonly flow: Flow;
  readonly victim: "boot" | "finish";
  readonly attack: Attack;
  readonly moment: Moment;
  /** How long it is stopped. */
  readonly pauseMs: number;
  /** After what time the early boot is told to go on. */
  readonly gateMs: number;
  readonly recovery: Recovery;
}

/** How the scenario's start goes without a fault. */
export interface UsualStart {
  readonly calls: Readonly<Record<"boot" | "finish", readonly HelperCall[]>>;
  readonly ms: Readonly<Record<"boot" | "finish", number>>;
}

/** What dockroot runs before the gate. */
const WARM_UP = "btrfs --version ";
const MAX_GATE_MS = 400;
const MAX_PAUSE_MS = 400;

export function machineOf(seed: number): KillMachine {
  const machine = killMachines[seed % killMachines.length];
  if (machine === undefined) throw new Error("there is no machine");
  return machine;
}

/** Chooses all of an injection by its seed. @param usual of its machine */
export function planKill(seed: number, usual: UsualStart): Injection {
  const random = createRandom(seed, 1);
  const { fsType, scenario } = machineOf(seed);
  // There alone former roots are past the limit.
  const flow =
    scenario === "a new root and all there is to clean up"
      ? random.pick<Flow>(["boot", "early", "finish"])
      : random.pick<Flow>(["boot", "boot", "early", "early", "finish"]);
  const victim =
    flow === "early" ? random.pick(["boot", "boot", "finish"] as const) : flow;
  const gateMs = random.below(MAX_GATE_MS);
  const attack = pickAttack(random, flow);
  const moment = random.oneIn(3)
    ? pickTime(random, flow, victim, gateMs, usual)
    : pickCall(random, flow, victim, attack, usual);
  const recovery = random.pick<Recovery>(
    flow === "finish" ? ["again", "over", "restart"] : ["again", "restart"],
  );
  const pauseMs = 1 + random.below(MAX_PAUSE_MS);
  return {
    ...{ seed, fsType, scenario, flow, victim, attack, moment },
    ...{ pauseMs, gateMs, recovery },
  };
}

function pickAttack(random: Random, flow: Flow): Attack {
  const [first, ...others] = (Object.keys(ATTACKS) as Attack[]).filter(
    (attack) =>
      flow === "early" || attack !== "SIGKILL to the shell that waits for it",
  );
  if (first === undefined) throw new Error("there is no attack");
  return random.pick([first, ...others]);
}

function pickTime(
  random: Random,
  flow: Flow,
  victim: "boot" | "finish",
  gateMs: number,
  { ms }: UsualStart,
): Moment {
  const wholeMs =
    flow === "early"
      ? gateMs + ms.boot + (victim === "finish" ? ms.finish : 0)
      : ms[victim];
  return { kind: "time", delayMs: random.fraction() * wholeMs * 1.1 };
}

function pickCall(
  random: Random,
  flow: Flow,
  victim: "boot" | "finish",
  attack: Attack,
  { calls }: UsualStart,
): Moment {
  const warmUp: HelperCall[] =
    flow === "early" ? [{ work: WARM_UP, number: 1 + random.below(2) }] : [];
  const choice = [...warmUp, ...calls[victim]];
  const call = choice[random.below(choice.length)];
  if (call === undefined) throw new Error(`${victim} calls no helper`);
  // At its end the helper's own process is gone.
  const isBegin = attack === "SIGKILL to a helper" || random.oneIn(2);
  const rangeMs = random.pick([0, 0, 2, 5, 10, 20]);
  return {
    kind: "call",
    call,
    edge: isBegin ? "begin" : "end",
    delayMs: random.fraction() * rangeMs,
  };
}

export function describeKill(injection: Injection): string {
  const { seed, fsType, scenario, flow, victim, attack } = injection;
  const { moment, recovery, pauseMs, gateMs } = injection;
  const delay = `${moment.delayMs.toFixed(1)} ms after`;
  const when =
    moment.kind === "time"
      ? `${delay} it began`
      : `${delay} the ${moment.edge} of ${moment.call.work.trim()} #${String(moment.call.number)}`;
  return [
    `seed ${String(seed)}: ${fsType}, ${scenario}; ${victim}`,
    ...(flow === "early" ? [`begun ${String(gateMs)} ms early`] : []),
    `${attack}${/STOP/.test(attack) ? ` (${String(pauseMs)} ms)` : ""}`,
    ...[when, `then ${recovery}`],
  ].join(", ");
}
