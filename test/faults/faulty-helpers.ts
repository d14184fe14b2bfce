import fs from "node:fs";
import path from "node:path";
import { findProgram } from "../runner/find-program.ts";
import { plainMachine, type Machine } from "./faulty-start.ts";

/** What happens at one call of a helper program. */
export const HELPER_FAULTS = {
  "fails before its work": `echo 'injected failure' >&2; exit 1`,
  "fails after its work": `"$real" "$@"; echo 'injected failure' >&2; exit 1`,
  "is killed before its work": `kill -KILL $$`,
  "is killed after its work": `"$real" "$@"; kill -KILL $$`,
  "says nothing": `"$real" "$@" >/dev/null; exit 0`,
  "says garbage": `"$real" "$@" >/dev/null; printf 'gar\\377bage\\n\\tUUID: x\\nID 5 gen 7\\n/\\n'; exit 0`,
  "does nothing and succeeds": `exit 0`,
  "hangs before its work": `exec "$sleep" 1000`,
  "hangs after its work": `"$real" "$@"; exec "$sleep" 1000`,
  "is stopped": `kill -STOP $$; exec "$real" "$@"`,
  "leaves a child that holds its output": `"$sleep" 1000 & exec "$real" "$@"`,
  "writes without end": `exec "$yes"`,
  "complains without end": `exec "$yes" >&2`,
} as const;

export type Fault = keyof typeof HELPER_FAULTS;

/** The helper programs of dockroot that do work of their own. */
export const HELPERS = [
  "blkid",
  "btrfs",
  "cp",
  "mount",
  "sync",
  "umount",
] as const;

/** What every helper is started by, and what holds the disk's lock: there, and not counted. */
const WITHOUT_FAULTS = ["setpriv", "flock", "cat"] as const;

/**
 * One call among those of a start. Calls for different work may come at once and in any order, those
 * for the same work do not.
 */
export interface HelperCall {
  /** The helper's name, of btrfs with what it is to do. */
  readonly work: string;
  /** Of those for this work, from 1 on. */
  readonly number: number;
}

/** @param calls names and arguments, in order */
export function numberCalls(calls: readonly string[]): HelperCall[] {
  const counts = new Map<string, number>();
  return calls.map((call) => {
    const work = /^(?:btrfs \S+ \S+|\S+)/.exec(call)?.[0] ?? "";
    const number = (counts.get(work) ?? 0) + 1;
    counts.set(work, number);
    return { work, number };
  });
}

/** A place for programs that stand before the real ones, as far as one process and its children see. */
export interface FaultyHelpers extends Machine {
  /** From the next call on they count anew; the given one has the fault. */
  readonly arrange: (fault?: Fault, call?: HelperCall) => void;
  /** What was called since, in order: name and arguments. */
  readonly calls: () => string[];
  /** Whether the call that was to have the fault came. */
  readonly hasFired: () => boolean;
  /** Takes a helper away, or makes it a file that cannot be executed. */
  readonly spoil: (
    helper: (typeof HELPERS)[number] | "setpriv",
    how: "missing" | "not executable",
  ) => void;
  readonly restore: () => void;
}

/**
 * @param directory exists, is the caller's own, and may hold programs
 * @throws Error where a helper is absent or not one of the system's own directories'
 */
export function makeFaultyHelpers(directory: string): FaultyHelpers {
  const file = (name: string) => path.join(directory, name);
  const real = (name: string) => {
    const found = findProgram(name);
    if (found === undefined) throw new Error(`there is no ${name} here`);
    const target = fs.realpathSync(found);
    // Those directories alone are still seen, elsewhere, where the wrappers stand before them.
    if (!/^\/usr\/s?bin\/[^/]+$/.test(target)) {
      throw new Error(
        `${name} is ${target}, neither in /usr/bin nor /usr/sbin`,
      );
    }
    return `${directory}${target}`;
  };
  for (const name of ["usr/bin", "usr/sbin", "fake"]) {
    fs.mkdirSync(file(name), { recursive: true });
  }
  const wrap = (helper: string) => `#!${real("sh")}
# Counts its calls, and lets the wanted one fail.
work='${helper}'
[ "$work" != btrfs ] || work="$work $1 $2"
call=0
[ ! -e "${file("counts")}/$work" ] || read -r call <"${file("counts")}/$work"
call=$((call + 1))
echo "$call" >"${file("counts")}/$work"
echo '${helper}' "$*" >>'${file("calls")}'
real='${real(helper)}' sleep='${real("sleep")}' yes='${real("yes")}'
. '${file("fault")}'
exec "$real" "$@"
`;
  for (const name of WITHOUT_FAULTS) {
    fs.writeFileSync(
      file(`fake/${name}`),
      `#!${real("sh")}\nexec '${real(name)}' "$@"\n`,
      { mode: 0o755 },
    );
  }
  const restore = () => {
    for (const helper of HELPERS) {
      fs.writeFileSync(file(`fake/${helper}`), wrap(helper), { mode: 0o755 });
      fs.chmodSync(file(`fake/${helper}`), 0o755);
    }
  };
  restore();
  // The mounts end with the shell and its children, as with a machine that restarts.
  const enter = `
mount --bind /usr/bin '${file("usr/bin")}'
mount --bind /usr/sbin '${file("usr/sbin")}'
mount --bind '${file("fake")}' /usr/sbin
mount --bind '${file("fake")}' /usr/bin
`;
  return {
    command: (script) =>
      plainMachine.command(`set -e;${enter}set +e;${script}`),
    arrange: (fault, call) => {
      fs.rmSync(file("counts"), { recursive: true, force: true });
      fs.mkdirSync(file("counts"));
      fs.writeFileSync(file("calls"), "");
      fs.rmSync(file("fired"), { force: true });
      fs.writeFileSync(
        file("fault"),
        fault === undefined || call === undefined
          ? ""
          : `if [ "$work $call" = '${call.work} ${String(call.number)}' ]; then : >'${file("fired")}'; ${HELPER_FAULTS[fault]}; fi\n`,
      );
    },
    calls: () =>
      fs
        .readFileSync(file("calls"), "utf8")
        .split("\n")
        .filter((line) => line !== ""),
    hasFired: () => fs.existsSync(file("fired")),
    spoil: (helper, how) => {
      if (how === "missing") fs.rmSync(file(`fake/${helper}`));
      else fs.chmodSync(file(`fake/${helper}`), 0o644);
    },
    restore,
  };
}
