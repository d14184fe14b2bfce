import { BTRFS_HELPER } from "../../install/plan/helper-version.ts";
import type { Deployment } from "../../../runtime/records/deployments.ts";
import type { EntryFacts, InitrdFile, StartOutcome } from "./facts.ts";
import {
  nameEntry,
  ok,
  stops,
  unknown,
  warning,
  type Finding,
} from "./finding.ts";

export const TAKE_FROM_IMAGE =
  "Copy the kernel and the initramfs from the image again to where the boot loader finds them.";

const COPY_AGAIN =
  "Copy the initramfs from the image again to where the boot loader finds it.";

const RESTORE =
  "Run dockroot gc: it copies kernel and initramfs from the kept image again.";

const MAKE_AGAIN =
  "Its initramfs was made on this machine. If it is the newest deployment, run dockroot upgrade, which makes another one of the image; else dockroot rollback N, or dockroot remove N.";

const REBUILD =
  "Run dockroot install in the image, then copy the initramfs to where the boot loader finds it.";

/** Whether an entry's kernel has its modules in the image, and its initramfs dockroot. */
export function* checkEntry(
  facts: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  yield* checkKernel(facts, outcome);
  yield* checkInitrds(facts, outcome);
  yield* checkDeployed(facts);
}

/** Whether an entry has what was deployed. */
function* checkDeployed(facts: EntryFacts): Iterable<Finding> {
  const { entry, initrds, deployed } = facts;
  if (deployed === undefined) return;
  const name = nameEntry(entry);
  const { n, deployment, areIntact } = deployed;
  const called = `deployment ${String(n)}`;
  if (deployment === undefined) {
    yield warning(
      "deployments",
      `${name}: there is no ${called}`,
      "Run dockroot gc: it writes the menu again.",
    );
  } else if (areIntact === true) {
    yield ok(
      "deployments",
      `${name}: kernel and initramfs are those of ${called}`,
    );
  } else if (
    areIntact === false &&
    !initrds.some(({ isCutShort }) => isCutShort)
  ) {
    yield stops(
      "deployments",
      `${name}: kernel or initramfs differs from that of ${called}: damaged, or of another image`,
      restore(deployment),
    );
  }
}

/** What restores a file that is absent or damaged. */
function remedyOf({ deployed }: EntryFacts, otherwise: string): string {
  return deployed?.deployment === undefined
    ? otherwise
    : restore(deployed.deployment);
}

/** What brings images of deployments back that are kept no longer. */
export function keepAgain(deployments: readonly number[]): string {
  const remove = deployments.map((n) => `dockroot remove ${String(n)}`);
  return `Run dockroot gc: it keeps it again where the image store has it. Else run dockroot upgrade, and ${remove.join(", ")}.`;
}

/** What brings lost boot files of a deployment back. */
export function restore({ kernel }: Pick<Deployment, "kernel">): string {
  return kernel.initramfs === "machine" ? MAKE_AGAIN : RESTORE;
}

function* checkKernel(
  facts: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  const { entry, kernel } = facts;
  const remedy = remedyOf(facts, TAKE_FROM_IMAGE);
  if (kernel === undefined) return;
  const name = nameEntry(entry);
  const { file, version } = kernel;
  if (file === undefined) {
    yield notSeen("kernel", entry, kernel, remedy);
  } else if (version === undefined) {
    yield unknown("kernel", `${name}: cannot tell the version of ${file}`);
  } else if (outcome.kind === "planned") {
    const { modules, what } = outcome.tree;
    if (modules.includes(version)) {
      yield ok(
        "kernel",
        `${name}: ${file} is ${version}, and ${what} has its modules`,
      );
    } else if (modules.length > 0) {
      yield stops(
        "kernel",
        `${name}: ${file} is ${version}, but ${what} has modules only for ${modules.join(", ")}`,
        remedy,
      );
    }
  }
}

function* checkInitrds(
  facts: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  const { entry, kernel, initrds } = facts;
  const name = nameEntry(entry);
  if (initrds.length === 0) {
    // rEFInd looks for one by itself then.
    if (kernel === undefined) return;
    yield stops(
      "initramfs",
      `${name} names no initramfs, so nothing runs dockroot`,
      "Name the initramfs in the entry.",
    );
    return;
  }
  const absent = initrds.filter(({ file }) => file === undefined);
  if (absent.length > 0) {
    for (const initrd of absent) {
      yield notSeen("initramfs", entry, initrd, remedyOf(facts, COPY_AGAIN));
    }
    return;
  }
  const cutRemedy = remedyOf(facts, COPY_AGAIN);
  const unknownType = outcome.kind === "read" ? undefined : "btrfs";
  const fsType = outcome.kind === "planned" ? outcome.disk.fsType : unknownType;
  const version = kernel?.version;
  yield* judgeInitrds(`${name}: `, initrds, version, fsType, cutRemedy);
  yield* checkOverlay(facts, outcome);
}

/**
 * @param prefix of each message
 * @param version the kernel's, as far as it is known
 * @param fsType of the disk that they boot from, or may; `undefined` where that is not known
 * @param cutRemedy for what is cut short
 */
function* judgeInitrds(
  prefix: string,
  initrds: readonly InitrdFile[],
  version: string | undefined,
  fsType: string | undefined,
  cutRemedy: string,
): Iterable<Finding> {
  const stop = (message: string, remedy = REBUILD) =>
    stops("initramfs", prefix + message, remedy);
  const cut = initrds.filter(({ isCutShort }) => isCutShort === true);
  const contents = initrds.flatMap(({ content }) => content ?? []);
  const withDockroot = initrds.filter(({ content }) => content?.hasDockroot);
  if (cut.length > 0) {
    yield stop(`${namesOf(cut)} is cut short`, cutRemedy);
    return;
  }
  if (contents.length < initrds.length) {
    const names = namesOf(initrds);
    yield unknown("initramfs", `${prefix}cannot list the contents of ${names}`);
    return;
  }
  if (withDockroot.length === 0) {
    yield stop(`dockroot is not in ${namesOf(initrds)}`);
    return;
  }
  const missing = withDockroot
    .flatMap(({ content }) => content?.missing ?? [])
    .filter((name) => name !== BTRFS_HELPER || fsType === "btrfs");
  const versions = contents.flatMap(({ kernelVersions }) => kernelVersions);
  const isForAnother =
    version !== undefined && versions.length > 0 && !versions.includes(version);
  if (missing.length > 0) {
    yield stop(
      `${namesOf(withDockroot)} is missing programs that dockroot calls: ${missing.join(", ")}`,
    );
  }
  if (fsType === "ext4" && !contents.some(({ hasFsck }) => hasFsck)) {
    yield warning(
      "initramfs",
      `${prefix}no fsck.ext4 is in ${namesOf(initrds)}: the filesystem is not checked before it is mounted`,
      `Install e2fsprogs in the image. ${REBUILD}`,
    );
  }
  if (isForAnother) {
    yield stop(
      `the kernel is ${version}, but the initramfs has modules only for ${versions.join(", ")}`,
      "Copy the kernel and the initramfs from the same image to where the boot loader finds them.",
    );
  }
  if (missing.length === 0 && !isForAnother) {
    yield ok("initramfs", `${prefix}dockroot is in ${namesOf(withDockroot)}`);
  }
}

/** Whether kernel and initramfs can put an overlay together. */
function* checkOverlay(
  { entry, kernel, initrds }: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  if (outcome.kind !== "planned" || !outcome.disk.isOverlay) return;
  const contents = initrds.flatMap(({ content }) => content ?? []);
  const isLooked = initrds.length > 0 && contents.length === initrds.length;
  const version = kernel?.version;
  const { withoutOverlay } = outcome.tree;
  if (version === undefined || !isLooked || !withoutOverlay.includes(version)) {
    return;
  }
  if (contents.some(({ hasOverlay }) => hasOverlay)) return;
  yield stops(
    "initramfs",
    `${nameEntry(entry)}: the module overlay is not in ${namesOf(initrds)}, and the kernel ${version} does not have it built in: no root can be mounted`,
    REBUILD,
  );
}

/** Of a file that an entry names and that is not seen. */
function notSeen(
  subject: "kernel" | "initramfs",
  entry: EntryFacts["entry"],
  { name: file, isAbsent }: Pick<InitrdFile, "name" | "isAbsent">,
  remedy: string,
): Finding {
  const name = nameEntry(entry);
  return isAbsent === true
    ? stops(subject, `${name}: its ${subject} ${file} is missing`, remedy)
    : unknown(
        subject,
        `${name}: its ${subject} ${file} is on no mounted filesystem`,
        "Mount the filesystem that it is on, and run dockroot doctor again.",
      );
}

function namesOf(initrds: readonly InitrdFile[]): string {
  return initrds
    .map(({ name, file = name }) => file)
    .map((file) => (/\.efi$/i.test(file) ? `the .initrd of ${file}` : file))
    .join(", ");
}

/** The images in /boot of an image in the making; microcode alone needs no dockroot. */
export function* checkOwnInitrds(
  initrds: readonly InitrdFile[],
): Iterable<Finding> {
  if (initrds.length === 0) {
    yield unknown(
      "initramfs",
      "this system has no initramfs in /boot yet",
      "Run dockroot install in the image.",
    );
  }
  for (const initrd of initrds) {
    if (initrd.content?.hasInit === false) continue;
    yield* judgeInitrds("", [initrd], undefined, undefined, REBUILD);
  }
}
