import type { RootedBoot } from "../runtime/records/boot-record.ts";
import type { Parts } from "./comparison.ts";

/** What a boot's time goes into, in this order. */
const PARTS = [
  "start-up",
  "find and mount the disk",
  "find the image",
  "snapshot",
  "top layer",
  "durability",
  "rest",
] as const;

type Part = (typeof PARTS)[number];

/** By how steps of boot.json begin; all others are the rest. */
const STEPS: readonly (readonly [RegExp, Part])[] = [
  [/^find the image /, "find the image"],
  [/^(?:find|read|plan the merge of|copy) the top layer/, "top layer"],
  [/^mount \S+ at \S+\/toplayer$/, "top layer"],
  [/^(?:snapshot|hold|make an upper|mount the overlay) /, "snapshot"],
  [/^(?:find|mount) /, "find and mount the disk"],
  [/^(?:record|make) /, "durability"],
];

/**
 * Of a boot of dockroot. What boot.json does not count, the loading of the program and its end, is
 * start-up; steps that are under way at the same time count in full, each.
 * @param tookMs the whole process
 */
export function groupSteps(
  { steps, totalMs }: Pick<RootedBoot, "steps" | "totalMs">,
  tookMs: number,
): Parts {
  const parts = emptyParts();
  let counted = 0;
  for (const { step, durationMs } of steps) {
    const part = STEPS.find(([begin]) => begin.test(step))?.[1];
    if (part === undefined) continue;
    parts[part] += durationMs;
    counted += durationMs;
  }
  parts["start-up"] = tookMs - totalMs;
  parts.rest = Math.max(0, totalMs - counted);
  return parts;
}

/** What the shell script calls its steps. Its unmounting is what writes all to the disk. */
const MARKS: Readonly<Record<string, Part>> = {
  options: "rest",
  mount: "find and mount the disk",
  "find the image": "find the image",
  "former root": "rest",
  snapshot: "snapshot",
  "top layer": "top layer",
  unmount: "durability",
};

/** The beginning of a step, in time since the boot. */
export interface Mark {
  readonly step: string;
  readonly afterMs: number;
}

/**
 * Of a boot of the shell script.
 * @param tookMs the whole process
 * @throws Error where a step has no part
 */
export function groupMarks(marks: readonly Mark[], tookMs: number): Parts {
  const parts = emptyParts();
  parts["start-up"] = marks[0]?.afterMs ?? tookMs;
  for (const [index, { step, afterMs }] of marks.entries()) {
    const part = MARKS[step];
    if (part === undefined) throw new Error(`no part has the step ${step}`);
    parts[part] += (marks[index + 1]?.afterMs ?? tookMs) - afterMs;
  }
  return parts;
}

function emptyParts(): Record<Part, number> {
  return Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<
    Part,
    number
  >;
}
