import {
  type DoctorFacts,
  type EntryFacts,
  type GeneratorFacts,
  type InitramfsContent,
  type InitrdFile,
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
import { uncheckedOf } from "../../install/plan/helper-version.ts";

const INSTALL = "In the image: dockroot install.";

const REBUILD =
  "In the image: dockroot install; then put the initramfs where the boot loader finds it.";

/** Whether dockroot is in the initramfs, and modules of the kernel that it is for. */
export function* checkInitramfs(facts: DoctorFacts): Iterable<Finding> {
  const { starts, target } = facts;
  for (const entry of starts.flatMap(({ entries }) => entries)) {
    yield* checkEntry(entry);
  }
  if (target?.found.kind === "itself") {
    yield* checkOwn(target.found.tree, target.found.initrds);
  }
  for (const tree of treesOf(facts)) yield* checkGenerators(tree);
}

function* checkEntry({
  entry,
  kernel,
  initrds,
}: EntryFacts): Iterable<Finding> {
  const name = nameEntry(entry);
  const stop = (message: string, remedy = REBUILD) =>
    stops("initramfs", `${name}${message}`, remedy);
  if (initrds.length === 0) {
    // rEFInd looks for one by itself then.
    if (kernel === undefined) return;
    yield stop(
      " names no initramfs: nothing runs dockroot",
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
  const cut = initrds.filter(({ isCutShort }) => isCutShort === true);
  const contents = initrds.flatMap(({ content }) => content ?? []);
  const withDockroot = contents.filter(({ hasDockroot }) => hasDockroot);
  if (cut.length > 0) {
    yield stop(`: ${namesOf(cut)} is cut short`);
  } else if (contents.length < initrds.length) {
    yield unknown(
      "initramfs",
      `${name}: nothing here can look into ${namesOf(initrds)}`,
    );
  } else if (withDockroot.length === 0) {
    yield stop(`: dockroot is not in ${namesOf(initrds)}`);
  } else {
    const findings = withDockroot.flatMap((content) =>
      checkMissing(name, content),
    );
    const version = kernel?.version;
    const versions = contents.flatMap(({ kernelVersions }) => kernelVersions);
    if (
      version !== undefined &&
      versions.length > 0 &&
      !versions.includes(version)
    ) {
      findings.push(
        stop(
          `: the kernel is ${version}, the initramfs has modules of ${versions.join(", ")}`,
          "Take kernel and initramfs from the same image, and put both where the boot loader finds them.",
        ),
      );
    }
    yield* findings;
    if (findings.length === 0) {
      yield ok("initramfs", `${name}: dockroot is in the initramfs`);
    }
  }
}

function checkMissing(name: string, { missing }: InitramfsContent): Finding[] {
  if (missing.length === 0) return [];
  const message = `${name}: the initramfs lacks programs that dockroot calls: ${missing.join(", ")}`;
  return [stops("initramfs", message, REBUILD)];
}

/** Of an image that is looked at from inside. */
function* checkOwn(
  { what }: TreeFacts,
  initrds: readonly InitrdFile[],
): Iterable<Finding> {
  if (initrds.length === 0) {
    const message = `${what} has no initramfs in /boot yet`;
    yield unknown("initramfs", message, INSTALL);
  }
  for (const { name, content, isCutShort } of initrds) {
    if (isCutShort === true) {
      yield stops("initramfs", `${name} is cut short`, INSTALL);
    } else if (content === undefined) {
      yield unknown("initramfs", `nothing here can look into ${name}`);
    } else if (content.hasInit && !content.hasDockroot) {
      yield stops("initramfs", `dockroot is not in ${name}`, INSTALL);
    } else if (content.hasInit) {
      const missing = checkMissing(name, content);
      yield* missing;
      if (missing.length === 0) {
        yield ok("initramfs", `dockroot is in ${name}`);
      }
    }
  }
}

function* checkGenerators({ what, generators }: TreeFacts): Iterable<Finding> {
  if (generators.length === 0) {
    yield unknown(
      "initramfs",
      `${what} has no program that makes an initramfs: it must come from elsewhere`,
      "Install mkinitcpio, dracut or initramfs-tools in the image, then dockroot install.",
    );
  }
  const isOneReady = generators.some(isReady);
  for (const generator of generators) {
    const { name, missing, problem } = generator;
    if (isReady(generator)) {
      yield ok("initramfs", `${what}: dockroot is in what ${name} makes`);
    } else if (!isOneReady) {
      yield warning(
        "initramfs",
        missing.length > 0
          ? `${what}: ${name} makes an initramfs without dockroot: there is no ${missing.join(", ")}`
          : `${what}: what ${name} makes is not right for dockroot: ${problem ?? ""}`,
        INSTALL,
      );
    }
  }
}

function isReady({ missing, problem }: GeneratorFacts): boolean {
  return missing.length === 0 && problem === undefined;
}

function namesOf(initrds: readonly InitrdFile[]): string {
  return initrds.map(({ name, file }) => file ?? name).join(", ");
}

/** The programs that dockroot calls. A machine that boots no image yet need not have all of them. */
export function* checkHelperPrograms({
  helpers,
  place,
  starts,
}: DoctorFacts): Iterable<Finding> {
  const isImage =
    place.kind === "elsewhere" || starts.some((start) => start.isThisStart);
  const tell = isImage ? stops : warning;
  const bad = helpers.filter(({ problem }) => problem !== undefined);
  for (const { problem = "", remedy = "Install it." } of bad) {
    yield tell("helpers", problem, remedy);
  }
  const unchecked = uncheckedOf(helpers);
  if (unchecked.length > 0) {
    yield unknown(
      "helpers",
      `not checked, since no program of that system is run: the versions of ${unchecked.join(", ")}`,
    );
  }
  if (bad.length + unchecked.length > 0 || helpers.length === 0) return;
  const names = helpers.map(({ name, version = "" }) => `${name} ${version}`);
  yield ok("helpers", names.join(", "));
}
