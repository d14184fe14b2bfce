import path from "node:path";
import { HELPERS, type HelperCall } from "./faulty-helpers.ts";
import { makeHelperWrappers, type HelperWrappers } from "./helper-wrappers.ts";

/** One of two processes of dockroot. */
export type Side = "A" | "B";

/** Where a process stops until it is released. */
export interface Point extends HelperCall {
  /** Of the helper's work. */
  readonly when: "before" | "after";
}

/** Something that a process did. Those of both come in the order in which they were. */
export interface Event {
  readonly side: Side;
  /**
   * `calls` and `called` a helper; `holds` at its point; `takes` a lock, with the helper's process ID as
   * status, until it is `locked`; `ended`, with dockroot's.
   */
  readonly kind: "calls" | "called" | "holds" | "takes" | "locked" | "ended";
  readonly call: HelperCall;
  readonly status: number;
}

/** Of the staging directory below the helpers' own, by name. */
export function stageFile(directory: string, name: string): string {
  return path.join(directory, "stage", name);
}

/**
 * Helpers that tell of each call through the FIFO `events`. At the point in the file `A.point` they
 * stop until a line comes through the FIFO `A.go`; `A.process` says who A is.
 * @param directory as of `makeHelperWrappers`
 */
export function makeStagedHelpers(directory: string): HelperWrappers {
  const locked = `
[ -z "$lock" ] || echo "$lock" >'${stageFile(directory, "events")}'
unset lock
`;
  return makeHelperWrappers(directory, {
    // cat runs once the lock is taken.
    helpers: [...HELPERS, "cat"],
    script: (helper) =>
      helper === "cat"
        ? locked
        : `
stage='${stageFile(directory, "")}'
# Whose call it is tells the process that calls.
read -r _ _ _ parent _ </proc/self/stat
side=
for each in A B; do
  process=
  [ ! -e "$stage/$each.process" ] || read -r process <"$stage/$each.process"
  [ "$process" != "$parent" ] || side=$each
done
if [ -n "$side" ]; then
  work='${helper}'
  [ "$work" != btrfs ] || work="$work $1 $2"
  number=0
  [ ! -e "$stage/$side-$work" ] || read -r number <"$stage/$side-$work"
  number=$((number + 1))
  echo "$number" >"$stage/$side-$work"
  tell() { echo "$side $1 $2 $number $work" >"$stage/events"; }
  hold() { tell holds 0; read -r _ <"$stage/$side.go"; }
  read -r point <"$stage/$side.point"
  tell calls 0
  [ "$point" != "before $number $work" ] || hold
  (
    read -r self _ </proc/self/stat
    if [ "$work" = flock ]; then
      tell takes "$self"
      export lock="$side locked 0 $number flock"
    fi
    exec "$real" "$@"
  )
  status=$?
  tell called "$status"
  [ "$point" != "after $number $work" ] || hold
  exit "$status"
fi
`,
  });
}

export function formatPoint({ when, number, work }: Point): string {
  return `${when} ${String(number)} ${work}`;
}

/** @returns `undefined` where the line is none of an event */
export function parseEvent(line: string): Event | undefined {
  const [, side, kind, status, number, work = ""] =
    /^([AB]) (calls|called|holds|takes|locked|ended) (\d+) (\d+) (.+)$/.exec(
      line,
    ) ?? [];
  if (side === undefined) return undefined;
  return {
    side: side as Side,
    kind: kind as Event["kind"],
    call: { work, number: Number(number) },
    status: Number(status),
  };
}
