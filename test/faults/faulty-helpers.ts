import fs from "node:fs";
import path from "node:path";
import { makeHelperWrappers, type HelperWrappers } from "./helper-wrappers.ts";

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
  "flock",
  "mount",
  "sync",
  "umount",
] as const;

/**
 * One call among those of a boot. Calls for different work may come at once and in any order, those
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
export interface FaultyHelpers extends Omit<HelperWrappers, "write"> {
  /** From the next call on they count anew; the given one has the fault. */
  readonly arrange: (fault?: Fault, call?: HelperCall) => void;
  /**
   * As `arrange`, with commands of one's own for what happens at the call: `$real` is the helper, `$@`
   * its arguments. It does its work afterwards, unless they exit.
   */
  readonly arrangeCommands: (commands: string, call: HelperCall) => void;
  /** The file with a line for each call. */
  readonly callLog: string;
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
  const at = (name: string) => path.join(directory, name);
  const { write, ...wrappers } = makeHelperWrappers(directory, {
    helpers: HELPERS,
    script: (helper, real) => `
# Counts its calls, and lets the wanted one fail.
work='${helper}'
[ "$work" != btrfs ] || work="$work $1 $2"
call=0
[ ! -e "${at("counts")}/$work" ] || read -r call <"${at("counts")}/$work"
call=$((call + 1))
echo "$call" >"${at("counts")}/$work"
echo '${helper}' "$*" >>'${at("calls")}'
sleep='${real("sleep")}' yes='${real("yes")}'
. '${at("fault")}'
`,
  });
  const countAnew = (fault: string) => {
    fs.rmSync(at("counts"), { recursive: true, force: true });
    fs.mkdirSync(at("counts"));
    fs.writeFileSync(at("calls"), "");
    fs.rmSync(at("fired"), { force: true });
    fs.writeFileSync(at("fault"), fault);
  };
  const arrangeCommands = (commands: string, { work, number }: HelperCall) => {
    countAnew(
      `if [ "$work $call" = '${work} ${String(number)}' ]; then : >'${at("fired")}'; ${commands}\nfi\n`,
    );
  };
  return {
    ...wrappers,
    arrange: (fault, call) => {
      if (fault === undefined || call === undefined) countAnew("");
      else arrangeCommands(HELPER_FAULTS[fault], call);
    },
    arrangeCommands,
    callLog: at("calls"),
    calls: () =>
      fs
        .readFileSync(at("calls"), "utf8")
        .split("\n")
        .filter((line) => line !== ""),
    hasFired: () => fs.existsSync(at("fired")),
    spoil: (helper, how) => {
      if (how === "missing") fs.rmSync(wrappers.file(helper));
      else fs.chmodSync(wrappers.file(helper), 0o644);
    },
    restore: write,
  };
}
