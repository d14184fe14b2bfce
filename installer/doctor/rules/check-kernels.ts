import {
  type DoctorFacts,
  type EntryFacts,
  type StartFacts,
  type TreeFacts,
  treesOf,
} from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

const TAKE_FROM_IMAGE =
  "Take kernel and initramfs from the image again, and put both where the boot loader finds them.";

/** Whether kernels, and the modules in the new root, are of the same version. */
export function checkKernels(facts: DoctorFacts): Finding[] {
  return [
    ...treesOf(facts).flatMap(checkTree),
    ...facts.starts.flatMap((start) => [
      ...start.entries.flatMap((entry) => checkEntry(start, entry)),
      ...checkRunning(facts, start),
    ]),
  ];
}

function checkTree({ what, modules, kernels }: TreeFacts): Finding[] {
  if (modules.length === 0) {
    return [
      stops(
        "kernel",
        `${what} has no modules of any kernel in /lib/modules`,
        "Install a kernel into the image (Arch: linux; Debian: linux-image-amd64), and boot that one.",
      ),
    ];
  }
  const without = kernels.filter(
    ({ version }) => version !== undefined && !modules.includes(version),
  );
  return [
    ok("kernel", `${what} has the modules of ${modules.join(", ")}`),
    ...without.map(({ name, version }) =>
      warning(
        "kernel",
        `${what}: its ${name} is ${version ?? ""}, of which it has no modules`,
        "Install that kernel's package again in the image, or remove the file.",
      ),
    ),
  ];
}

function checkEntry(
  { outcome }: StartFacts,
  { entry, kernel }: EntryFacts,
): Finding[] {
  if (kernel === undefined) return [];
  const name = `the entry "${entry.title}" of ${entry.file}`;
  const { file, version } = kernel;
  if (file === undefined) {
    return entry.loader === "systemd-boot"
      ? [
          stops(
            "kernel",
            `${name}: there is no ${kernel.name} on the entry's partition`,
            TAKE_FROM_IMAGE,
          ),
        ]
      : [
          unknown(
            "kernel",
            `${name}: its kernel ${kernel.name} is not seen here`,
            "Mount the volume that it is on to have it looked at.",
          ),
        ];
  }
  if (version === undefined) {
    return [unknown("kernel", `${name}: ${file} does not tell its version`)];
  }
  if (outcome.kind !== "planned") return [];
  const { modules, what } = outcome.tree;
  if (modules.includes(version)) {
    return [ok("kernel", `${name}: ${file} is ${version}, as in ${what}`)];
  }
  return modules.length === 0
    ? []
    : [
        stops(
          "kernel",
          `${name}: ${file} is ${version}; ${what} has the modules of ${modules.join(", ")}`,
          TAKE_FROM_IMAGE,
        ),
      ];
}

/** Where no entry tells which kernel comes next, it is taken to be the one that runs. */
function checkRunning(
  { place, starts }: DoctorFacts,
  { outcome, isThisStart }: StartFacts,
): Finding[] {
  const isKnown = starts
    .flatMap(({ entries }) => entries)
    .some(({ kernel }) => kernel?.version !== undefined);
  if (place.kind !== "running" || !isThisStart || isKnown) return [];
  if (outcome.kind !== "planned") return [];
  const { modules, what } = outcome.tree;
  const { kernelRelease } = place;
  if (modules.length === 0 || modules.includes(kernelRelease)) return [];
  return [
    stops(
      "kernel",
      `the running kernel is ${kernelRelease}; ${what} has the modules of ${modules.join(", ")}`,
      TAKE_FROM_IMAGE,
    ),
  ];
}
