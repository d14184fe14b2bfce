import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import type { ErrorCode } from "../../../runtime/base/errors.ts";
import type { BootFailure } from "../../../runtime/base/failure.ts";
import { isOptionName } from "../../../runtime/options/table.ts";
import { REPAIR_STORE } from "../../text/hints.ts";
import type { DoctorFacts, StartFacts } from "./facts.ts";
import {
  ok,
  stops,
  unknown,
  warning,
  type Finding,
  type Subject,
} from "./finding.ts";

/** Which options a boot has, and what it would come to. */
export function* checkStarts({ starts }: DoctorFacts): Iterable<Finding> {
  for (const start of starts) {
    yield* checkOutcome(start);
    yield* checkRepeated(start);
    yield* checkReadOnly(start);
  }
}

/** How several boots are called. */
export function nameOf({ sources }: Pick<StartFacts, "sources">): string {
  const [first = "", ...others] = sources.map(({ name }) => name);
  return others.length === 0
    ? first
    : `${first} (and ${others.length === 1 ? (others[0] ?? "") : `${String(others.length)} others with the same options`})`;
}

function* checkOutcome(start: StartFacts): Iterable<Finding> {
  const { outcome } = start;
  const name = nameOf(start);
  switch (outcome.kind) {
    case "failed":
      yield failed(name, outcome.failure);
      return;
    case "incomplete":
      yield warning(
        "options",
        `${name}: ${explain(outcome.failure)}; nor is there a configuration here, so it boots only if the one in its initramfs says it`,
        "Name the image in the entry (docker_image=NAME:TAG), or have it looked at by --image NAME:TAG.",
      );
      return;
    case "read":
      yield ok("options", `${name}: the options are valid`);
      yield unknown(
        "disk",
        `${name}: what it would boot is not looked at: this is not the running system`,
      );
      return;
    case "generation":
      yield ok("options", `${name}: it boots an earlier root`);
      break;
    case "planned": {
      const { image, disk } = outcome;
      yield ok("options", `${name}: the options are valid`);
      yield ok("disk", `root=${disk.root} is ${disk.device}, a btrfs`);
      yield ok(
        "image",
        `${image.reference} is in ${disk.storePath}, ${image.id}`,
      );
    }
  }
  for (const text of outcome.warnings) {
    yield warning(
      "options",
      `${name}: ${text}`,
      "dockroot boot --dry-run shows what the next boot does.",
    );
  }
}

const SUBJECTS: Partial<Record<ErrorCode, Subject>> = {
  DEVICE_NOT_FOUND: "disk",
  DEVICE_AMBIGUOUS: "disk",
  DEVICE_UNSUITABLE: "disk",
  MOUNT_FAILED: "disk",
  STORE_MISSING: "engine",
  STORE_UNSUPPORTED: "engine",
  STORE_DAMAGED: "engine",
  STORE_AMBIGUOUS: "engine",
  IMAGE_MISSING: "image",
  IMAGE_AMBIGUOUS: "image",
  IMAGE_EMPTY: "image",
  SOURCE_MISSING: "image",
  IMAGE_NOT_UNPACKED: "image",
  TOPLAYER_MISSING: "top-layer",
  TOPLAYER_UNSUITABLE: "top-layer",
  INIT_MISSING: "init",
  HELPER_MISSING: "helpers",
};

/** A finding of what a boot would fail at. */
export function failed(name: string, failure: BootFailure): Finding {
  const subject = SUBJECTS[failure.code as ErrorCode] ?? "options";
  return stops(
    subject,
    `${name}: ${explain(failure)}`,
    failure.code === "STORE_DAMAGED"
      ? REPAIR_STORE
      : (failure.hint ?? "Correct what this names."),
  );
}

function explain({ message, causes }: BootFailure): string {
  return [message, ...causes].join(": ");
}

/** Who repeats an option means one of its values, and another may count. */
function* checkRepeated({ sources }: StartFacts): Iterable<Finding> {
  for (const { name, cmdline } of sources) {
    const values = new Map<string, Set<string>>();
    for (const { key, value = "" } of parseCmdline(cmdline)) {
      if (!isOptionName(key)) continue;
      values.set(key, (values.get(key) ?? new Set()).add(value));
    }
    for (const [key, different] of values) {
      if (different.size <= 1) continue;
      yield warning(
        "options",
        `${name}: ${key}= is given more than once (${[...different].join(", ")}): the last one counts for dockroot, and another may for the initramfs`,
        "Leave one of them.",
      );
    }
  }
}

/** systemd makes the root writable only by a line of the fstab. */
function* checkReadOnly({ outcome, sources }: StartFacts): Iterable<Finding> {
  if (outcome.kind !== "planned" || outcome.tree.hasRootLine) return;
  for (const { name, cmdline } of sources) {
    const options = parseCmdline(cmdline);
    const last = options.findLast(({ key }) => key === "ro" || key === "rw");
    if (last?.key === "rw") continue;
    yield warning(
      "options",
      `${name}: the root stays read-only: ${last === undefined ? "rw is missing" : "ro is given"}, and no line of the fstab mounts / anew`,
      "Write rw among the kernel options.",
    );
  }
}
