import {
  type DoctorFacts,
  type EntryFacts,
  type StartFacts,
  type TreeFacts,
  treesOf,
} from "./facts.ts";
import {
  nameEntry,
  notSeen,
  ok,
  stops,
  unknown,
  warning,
  type Finding,
} from "./finding.ts";

const TAKE_FROM_IMAGE =
  "Take kernel and initramfs from the image again, and put both where the boot loader finds them.";

/** Whether kernels, and the modules in the new root, are of the same version. */
export function* checkKernelVersions(facts: DoctorFacts): Iterable<Finding> {
  for (const tree of treesOf(facts)) yield* checkTree(tree);
  for (const start of facts.starts) {
    for (const entry of start.entries) yield* checkEntry(start, entry);
    yield* checkRunning(facts, start);
  }
}

function* checkTree({ what, modules, kernels }: TreeFacts): Iterable<Finding> {
  if (modules.length === 0) {
    yield stops(
      "kernel",
      `${what} has no modules of any kernel in /lib/modules`,
      "Install a kernel into the image (Arch: linux; Debian: linux-image-amd64), and boot that one.",
    );
    return;
  }
  yield ok("kernel", `${what} has the modules of ${modules.join(", ")}`);
  for (const { name, version } of kernels) {
    if (version === undefined || modules.includes(version)) continue;
    yield warning(
      "kernel",
      `${what}: its ${name} is ${version}, of which it has no modules`,
      "Install that kernel's package again in the image, or remove the file.",
    );
  }
}

function* checkEntry(
  { outcome }: StartFacts,
  { entry, kernel }: EntryFacts,
): Iterable<Finding> {
  if (kernel === undefined) return;
  const name = nameEntry(entry);
  const { file, version } = kernel;
  if (file === undefined) {
    yield notSeen("kernel", entry, kernel.name, TAKE_FROM_IMAGE);
  } else if (version === undefined) {
    yield unknown("kernel", `${name}: ${file} does not tell its version`);
  } else if (outcome.kind === "planned") {
    const { modules, what } = outcome.tree;
    if (modules.includes(version)) {
      yield ok("kernel", `${name}: ${file} is ${version}, as in ${what}`);
    } else if (modules.length > 0) {
      yield stops(
        "kernel",
        `${name}: ${file} is ${version}; ${what} has the modules of ${modules.join(", ")}`,
        TAKE_FROM_IMAGE,
      );
    }
  }
}

/** Where no entry tells which kernel comes next, it is taken to be the one that runs. */
function* checkRunning(
  { place, starts }: DoctorFacts,
  { outcome, isThisStart }: StartFacts,
): Iterable<Finding> {
  const isKnown = starts
    .flatMap(({ entries }) => entries)
    .some(({ kernel }) => kernel?.version !== undefined);
  if (place.kind !== "running" || !isThisStart || isKnown) return;
  if (outcome.kind !== "planned") return;
  const { modules, what } = outcome.tree;
  const { kernelRelease } = place;
  if (modules.length === 0 || modules.includes(kernelRelease)) return;
  yield stops(
    "kernel",
    `the running kernel is ${kernelRelease}; ${what} has the modules of ${modules.join(", ")}`,
    TAKE_FROM_IMAGE,
  );
}
