import {
  type DoctorFacts,
  type EntryFacts,
  type GeneratorFacts,
  type InitramfsContent,
  type InitrdFile,
  type TreeFacts,
  treesOf,
} from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";
import { uncheckedOf } from "../../install/plan/helper-version.ts";

const INSTALL = "In the image: dockroot install.";

const REBUILD =
  "In the image: dockroot install; then put the initramfs where the boot loader finds it.";

/** Whether dockroot is in the initramfs, and modules of the kernel that it is for. */
export function checkInitramfs(facts: DoctorFacts): Finding[] {
  const { starts, target } = facts;
  return [
    ...starts.flatMap(({ entries }) => entries.flatMap(checkEntry)),
    ...(target?.found.kind === "itself"
      ? checkOwn(target.found.tree, target.found.initrds)
      : []),
    ...treesOf(facts).flatMap(checkGenerators),
  ];
}

function checkEntry({ entry, kernel, initrds }: EntryFacts): Finding[] {
  const name = `the entry "${entry.title}" of ${entry.file}`;
  if (initrds.length === 0) {
    // rEFInd looks for one by itself then.
    return kernel === undefined
      ? []
      : [
          stops(
            "initramfs",
            `${name} names no initramfs: nothing runs dockroot`,
            "Name the initramfs in the entry.",
          ),
        ];
  }
  const absent = initrds.filter(({ file }) => file === undefined);
  if (absent.length > 0)
    return absent.map((file) => notSeen(name, entry.loader, file));
  const cut = initrds.filter(({ isCutShort }) => isCutShort === true);
  if (cut.length > 0) {
    return [
      stops("initramfs", `${name}: ${namesOf(cut)} is cut short`, REBUILD),
    ];
  }
  const contents = initrds.flatMap(({ content }) => content ?? []);
  if (contents.length < initrds.length) {
    return [
      unknown(
        "initramfs",
        `${name}: nothing here can look into ${namesOf(initrds)}`,
      ),
    ];
  }
  if (!contents.some(({ hasDockroot }) => hasDockroot)) {
    return [
      stops(
        "initramfs",
        `${name}: dockroot is not in ${namesOf(initrds)}`,
        REBUILD,
      ),
    ];
  }
  return checkContents(name, kernel?.version, contents);
}

function notSeen(name: string, loader: string, initrd: InitrdFile): Finding {
  return loader === "systemd-boot"
    ? stops(
        "initramfs",
        `${name}: there is no ${initrd.name} on the entry's partition`,
        REBUILD,
      )
    : unknown(
        "initramfs",
        `${name}: its initramfs ${initrd.name} is not seen here`,
        "Mount the volume that it is on to have it looked at.",
      );
}

function checkContents(
  name: string,
  version: string | undefined,
  contents: readonly InitramfsContent[],
): Finding[] {
  const versions = contents.flatMap(({ kernelVersions }) => kernelVersions);
  const findings = contents
    .filter(({ hasDockroot }) => hasDockroot)
    .flatMap((content) => checkMissing(name, content));
  if (
    version !== undefined &&
    versions.length > 0 &&
    !versions.includes(version)
  ) {
    findings.push(
      stops(
        "initramfs",
        `${name}: the kernel is ${version}, the initramfs has modules of ${versions.join(", ")}`,
        "Take kernel and initramfs from the same image, and put both where the boot loader finds them.",
      ),
    );
  }
  return findings.length > 0
    ? findings
    : [ok("initramfs", `${name}: dockroot is in the initramfs`)];
}

function checkMissing(name: string, { missing }: InitramfsContent): Finding[] {
  return missing.length === 0
    ? []
    : [
        stops(
          "initramfs",
          `${name}: the initramfs lacks programs that dockroot calls: ${missing.join(", ")}`,
          REBUILD,
        ),
      ];
}

/** Of an image that is looked at from inside. */
function checkOwn(
  { what }: TreeFacts,
  initrds: readonly InitrdFile[],
): Finding[] {
  if (initrds.length === 0) {
    return [
      unknown("initramfs", `${what} has no initramfs in /boot yet`, INSTALL),
    ];
  }
  return initrds.flatMap(({ name, content, isCutShort }) => {
    if (isCutShort === true) {
      return [stops("initramfs", `${name} is cut short`, INSTALL)];
    }
    if (content === undefined) {
      return [unknown("initramfs", `nothing here can look into ${name}`)];
    }
    if (!content.hasInit) return [];
    if (!content.hasDockroot) {
      return [stops("initramfs", `dockroot is not in ${name}`, INSTALL)];
    }
    const missing = checkMissing(name, content);
    return missing.length > 0
      ? missing
      : [ok("initramfs", `dockroot is in ${name}`)];
  });
}

function checkGenerators({ what, generators }: TreeFacts): Finding[] {
  if (generators.length === 0) {
    return [
      unknown(
        "initramfs",
        `${what} has no program that makes an initramfs: it must come from elsewhere`,
        "Install mkinitcpio, dracut or initramfs-tools in the image, then dockroot install.",
      ),
    ];
  }
  const ready = generators.filter(isReady);
  if (ready.length > 0) {
    return ready.map(({ name }) =>
      ok("initramfs", `${what}: dockroot is in what ${name} makes`),
    );
  }
  return generators.map(({ name, missing, problem }) =>
    warning(
      "initramfs",
      missing.length > 0
        ? `${what}: ${name} makes an initramfs without dockroot: there is no ${missing.join(", ")}`
        : `${what}: what ${name} makes is not right for dockroot: ${problem ?? ""}`,
      INSTALL,
    ),
  );
}

function isReady({ missing, problem }: GeneratorFacts): boolean {
  return missing.length === 0 && problem === undefined;
}

function namesOf(initrds: readonly InitrdFile[]): string {
  return initrds.map(({ name, file }) => file ?? name).join(", ");
}

/** The programs that dockroot calls. A machine that boots no image yet need not have all of them. */
export function checkHelpers({
  helpers,
  place,
  starts,
}: DoctorFacts): Finding[] {
  const isImage =
    place.kind === "elsewhere" || starts.some((start) => start.isThisStart);
  const tell = isImage ? stops : warning;
  const problems = helpers.flatMap(({ problem, remedy }) =>
    problem === undefined
      ? []
      : [tell("helpers", problem, remedy ?? "Install it.")],
  );
  const unchecked = uncheckedOf(helpers);
  if (unchecked.length > 0) {
    problems.push(
      unknown(
        "helpers",
        `not checked, since no program of that system is run: the versions of ${unchecked.join(", ")}`,
      ),
    );
  }
  if (problems.length > 0 || helpers.length === 0) return problems;
  const names = helpers.map(({ name, version = "" }) => `${name} ${version}`);
  return [ok("helpers", names.join(", "))];
}
