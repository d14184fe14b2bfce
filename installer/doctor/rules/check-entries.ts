import type { EntryFacts, InitrdFile, StartOutcome } from "./facts.ts";
import { nameEntry, ok, stops, unknown, type Finding } from "./finding.ts";

export const TAKE_FROM_IMAGE =
  "Copy the kernel and the initramfs from the image again to where the boot loader finds them.";

const REBUILD =
  "Run dockroot install in the image, then copy the initramfs to where the boot loader finds it.";

/** Whether an entry's kernel has its modules in the image, and its initramfs dockroot. */
export function* checkEntry(
  facts: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  yield* checkKernel(facts, outcome);
  yield* checkInitrds(facts);
}

function* checkKernel(
  { entry, kernel }: EntryFacts,
  outcome: StartOutcome,
): Iterable<Finding> {
  if (kernel === undefined) return;
  const name = nameEntry(entry);
  const { file, version } = kernel;
  if (file === undefined) {
    yield notSeen("kernel", entry, kernel.name, TAKE_FROM_IMAGE);
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
        TAKE_FROM_IMAGE,
      );
    }
  }
}

function* checkInitrds({
  entry,
  kernel,
  initrds,
}: EntryFacts): Iterable<Finding> {
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
      yield notSeen("initramfs", entry, initrd.name, REBUILD);
    }
    return;
  }
  yield* judgeInitrds(`${name}: `, initrds, kernel?.version);
}

/**
 * @param prefix of each message
 * @param version the kernel's, as far as it is known
 */
function* judgeInitrds(
  prefix: string,
  initrds: readonly InitrdFile[],
  version: string | undefined,
): Iterable<Finding> {
  const stop = (message: string, remedy = REBUILD) =>
    stops("initramfs", prefix + message, remedy);
  const cut = initrds.filter(({ isCutShort }) => isCutShort === true);
  const contents = initrds.flatMap(({ content }) => content ?? []);
  const withDockroot = initrds.filter(({ content }) => content?.hasDockroot);
  if (cut.length > 0) {
    yield stop(`${namesOf(cut)} is cut short`);
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
  const missing = withDockroot.flatMap(({ content }) => content?.missing ?? []);
  const versions = contents.flatMap(({ kernelVersions }) => kernelVersions);
  const isForAnother =
    version !== undefined && versions.length > 0 && !versions.includes(version);
  if (missing.length > 0) {
    yield stop(
      `${namesOf(withDockroot)} is missing programs that dockroot calls: ${missing.join(", ")}`,
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

/** Of a file that an entry names and that is not there. */
function notSeen(
  subject: "kernel" | "initramfs",
  entry: EntryFacts["entry"],
  file: string,
  remedy: string,
): Finding {
  const name = nameEntry(entry);
  // It reads no other partition.
  return entry.loader === "systemd-boot"
    ? stops(
        subject,
        `${name}: there is no ${file} on the entry's partition`,
        remedy,
      )
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
    yield* judgeInitrds("", [initrd], undefined);
  }
}
