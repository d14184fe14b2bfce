import type { ErrorCode } from "../../../runtime/base/errors.ts";
import { OVERLAY_FILESYSTEMS } from "../../../runtime/options/parsers.ts";
import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import type { BootFailure } from "../../../runtime/base/failure.ts";
import { isKernelOption } from "../../../runtime/options/table.ts";
import { REPAIR_STORE } from "../../text/hints.ts";
import { quote } from "../../../runtime/base/quote.ts";
import { programOf } from "../../engines/formats/engine-configs.ts";
import { findSubstitute } from "./boots-next.ts";
import {
  checkOwnInitrds,
  keepAgain,
  TAKE_FROM_IMAGE,
} from "./check-entries.ts";
import type {
  DoctorFacts,
  PlannedFacts,
  StartFacts,
  TargetFacts,
} from "./facts.ts";
import {
  fallBack,
  ok,
  stops,
  unknown,
  warning,
  type Finding,
  type Subject,
} from "./finding.ts";

/** Which options a boot has, and what it would come to. */
export function* checkStart(
  start: StartFacts,
  facts: DoctorFacts,
): Iterable<Finding> {
  yield* checkOutcome(start);
  yield* checkRepeated(start);
  if (start.outcome.kind !== "planned") return;
  yield* checkReadOnly(start, start.outcome);
  yield* checkStoreHere(nameOf(start), start.outcome);
  if (start.isThisStart) yield* checkRunning(facts, start.outcome.tree);
}

/** How several boots are called. */
function nameOf({ sources }: Pick<StartFacts, "sources">): string {
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
      yield fallBack(
        findSubstitute(start),
        failed(name, withRemedy(start, outcome.failure)),
      );
      return;
    case "incomplete":
      yield warning(
        "options",
        `${name}: ${explain(outcome.failure)}; it boots only if the configuration in its initramfs sets what is missing`,
        "Name the image in the entry (docker_image=NAME:TAG), or check one with --image NAME:TAG.",
      );
      return;
    case "read":
      yield ok("options", `${name}: the options are valid`);
      yield unknown(
        "disk",
        `${name}: what it would boot was not checked: this is not the running system`,
      );
      return;
    case "generation":
      yield ok("options", `${name}: it boots an earlier root`);
      break;
    case "planned": {
      const { image, disk } = outcome;
      yield ok("options", `${name}: the options are valid`);
      yield ok(
        "disk",
        `root=${disk.root} is ${disk.device}, which is ${disk.fsType}`,
      );
      yield ok(
        "image",
        `${image.reference} is in ${disk.storePath}, ${image.id}`,
      );
      if (disk.isOverlay && disk.hasFileTypes === false) {
        yield warning(
          "disk",
          `${disk.device} is an xfs without ftype=1, which overlays need: what an image or a root has removed may show`,
          "Make the filesystem anew (mkfs.xfs does so with ftype=1), and move its files there.",
        );
      }
    }
  }
  for (const text of outcome.warnings) {
    yield warning(
      "options",
      `${name}: ${text}`,
      "Run dockroot boot --dry-run to see what the next boot does.",
    );
  }
}

/** What a deployment lacks is not missing in the options of its entry. */
function withRemedy(
  { entries }: StartFacts,
  failure: BootFailure,
): BootFailure {
  const lost = entries.flatMap(({ deployed }) =>
    deployed?.deployment?.isKept === false ? deployed.n : [],
  );
  const isOfImage = SUBJECTS[failure.code as ErrorCode] === "image";
  return lost.length > 0 && isOfImage
    ? { ...failure, hint: keepAgain(lost) }
    : failure;
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
function failed(name: string, failure: BootFailure): Finding {
  const subject = SUBJECTS[failure.code as ErrorCode] ?? "options";
  return stops(
    subject,
    `${name}: ${explain(failure)}`,
    failure.code === "STORE_DAMAGED"
      ? REPAIR_STORE
      : (failure.hint ?? "Correct what the message names."),
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
      if (!isKernelOption(key)) continue;
      values.set(key, (values.get(key) ?? new Set()).add(value));
    }
    for (const [key, different] of values) {
      if (different.size <= 1) continue;
      yield warning(
        "options",
        `${name}: ${key}= is given more than once (${[...different].join(", ")}): dockroot uses the last one, and the initramfs may use another`,
        "Keep only one of them.",
      );
    }
  }
}

/** systemd makes the root writable only by a line of the fstab. */
function* checkReadOnly(
  { sources }: StartFacts,
  { tree, disk }: PlannedFacts,
): Iterable<Finding> {
  if (tree.hasRootLine || disk.isOverlay) return;
  for (const { name, cmdline } of sources) {
    const options = parseCmdline(cmdline);
    const last = options.findLast(({ key }) => key === "ro" || key === "rw");
    if (last?.key === "rw") continue;
    yield warning(
      "options",
      `${name}: the root stays read-only: ${last === undefined ? "rw is missing" : "ro is given"}, and no line of the fstab remounts /`,
      "Add rw to the kernel options.",
    );
  }
}

/** Whether what is pulled here comes into the store that is booted from. */
function* checkStoreHere(
  name: string,
  { disk, tree }: PlannedFacts,
): Iterable<Finding> {
  const { isStoreOfEngine, storePath, root, engineDirectory } = disk;
  if (isStoreOfEngine !== false) return;
  const commands = disk.isOverlay
    ? [
        ["mount", root, "/mnt"],
        ["mount", "--bind", `/mnt/${storePath}`, engineDirectory],
      ]
    : [["mount", "-o", `subvol=${storePath}`, root, engineDirectory]];
  const mount = commands.map((words) => words.map(quote).join(" ")).join("; ");
  yield warning(
    "store-mount",
    `${name}: the image store ${storePath} on ${root} is not mounted at ${engineDirectory} here: ${programOf(tree.engine.home)} pull stores images elsewhere`,
    `Mount it: ${mount}`,
  );
}

/** Where no entry tells which kernel comes next, it is taken to be the one that runs. */
function* checkRunning(
  { place, starts }: DoctorFacts,
  { modules, what }: PlannedFacts["tree"],
): Iterable<Finding> {
  const isKnown = starts
    .flatMap(({ entries }) => entries)
    .some(({ kernel }) => kernel?.version !== undefined);
  if (place.kind !== "running" || isKnown || modules.length === 0) return;
  if (modules.includes(place.kernelRelease)) return;
  yield stops(
    "kernel",
    `the running kernel is ${place.kernelRelease}, but ${what} has modules only for ${modules.join(", ")}`,
    TAKE_FROM_IMAGE,
  );
}

/** The image and its disk, where no boot says which. */
export function* checkTarget({
  target,
  place,
}: DoctorFacts): Iterable<Finding> {
  if (target === undefined) return;
  if (place.kind === "running") yield checkFilesystem(target);
  yield* checkImage(target);
}

/** What is to be done here, where no option names a store. */
const REMEDIES: Partial<Record<ErrorCode, string>> = {
  STORE_MISSING: "Mount the image store, or pull the image.",
  STORE_AMBIGUOUS:
    "Name one in the boot menu entry: dockroot boot-entry --store-path DIR prints such an entry (with --store KIND where DIR holds several).",
};

function* checkImage({ found, directory }: TargetFacts): Iterable<Finding> {
  switch (found.kind) {
    case "failed": {
      const { failure } = found;
      const hint = REMEDIES[failure.code as ErrorCode] ?? failure.hint;
      yield failed("the image", { ...failure, hint });
      return;
    }
    case "not-named":
      yield unknown(
        "image",
        "no image is named",
        "Name it with --image NAME:TAG.",
      );
      return;
    case "itself":
      yield unknown(
        "image",
        "the image store was not checked: this is not the running system",
      );
      yield* checkOwnInitrds(found.initrds);
      return;
    case "image": {
      const { reference, id } = found.image;
      yield ok("image", `${reference} is in ${directory}, ${id}`);
    }
  }
}

function checkFilesystem({
  directory,
  storeFsType: fsType,
}: TargetFacts): Finding {
  if (fsType === undefined) {
    return unknown(
      "disk",
      `there is no ${directory}, so the disk of the image store is not known`,
      "Install Docker or Podman, and pull or build the image.",
    );
  }
  return OVERLAY_FILESYSTEMS.some((type) => type === fsType)
    ? ok("disk", `${directory} is on ${fsType}`)
    : stops(
        "disk",
        `the image store ${directory} is on ${fsType}, and dockroot makes roots on ${OVERLAY_FILESYSTEMS.join(", ")}`,
        "Move the engine's directory to such a filesystem (data-root in /etc/docker/daemon.json, graphroot in /etc/containers/storage.conf).",
      );
}
