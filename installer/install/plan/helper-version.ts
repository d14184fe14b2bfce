import path from "node:path";

/** A program that dockroot calls, as it is here. */
export interface HelperStatus {
  readonly name: string;
  /** Absent where the program is, or does not tell; with no problem: where it was not run. */
  readonly version?: string | undefined;
  readonly isMissing?: true;
  /** What is wrong with it. */
  readonly problem?: string | undefined;
  readonly remedy?: string | undefined;
}

/** A program, whose it must be, and since when it can what is asked of it. */
export interface Requirement {
  readonly name: string;
  readonly project: "btrfs-progs" | "util-linux" | "GNU coreutils";
  readonly minimum: string;
}

/** What only a btrfs needs: an initramfs that boots from another filesystem need not have it. */
export const BTRFS_HELPER = "btrfs";

const PACKAGES: Readonly<Record<Requirement["project"], string>> = {
  "btrfs-progs": "btrfs-progs",
  "util-linux": "util-linux (Debian, Ubuntu: and mount)",
  "GNU coreutils": "coreutils",
};

/** @param said what the program prints for --version; `undefined` where it is absent */
export function judgeVersion(
  { name, project, minimum }: Requirement,
  said: string | undefined,
): HelperStatus {
  const remedy = `Install the package ${PACKAGES[project]}, ${minimum} or later.`;
  if (said === undefined) {
    const problem = `${name} is not installed`;
    return { name, isMissing: true, problem, remedy };
  }
  const version = said.includes(project)
    ? /\bv?(\d+(?:\.\d+)+)/.exec(said)?.[1]
    : undefined;
  if (version === undefined) {
    return { name, problem: `${name} is not from ${project}`, remedy };
  }
  if (version.localeCompare(minimum, "en", { numeric: true }) < 0) {
    const problem = `${name} is from ${project} ${version}, older than ${minimum}`;
    return { name, version, problem, remedy };
  }
  return { name, version };
}

/** Those that only running them would have told the versions of. */
export function uncheckedOf(helpers: readonly HelperStatus[]): string[] {
  return helpers
    .filter(
      ({ version, problem }) => version === undefined && problem === undefined,
    )
    .map(({ name }) => name);
}

/**
 * Reads what ldd(1) prints: `	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)`, and
 * `	/lib64/ld-linux-x86-64.so.2 (0x...)`.
 * @returns the names of the libraries, without those that the kernel provides
 */
export function parseLdd(text: string): string[] {
  const names = text.split("\n").flatMap((line) => {
    const file = /^\s+(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1];
    return file === undefined ? [] : [path.basename(file)];
  });
  return [...new Set(names)].sort();
}

/** A text that is a version and nothing else; other data may stand right before it. */
const VERSION_ALONE = /(?<![\d._-])(\d+\.\d+(?:\.\d+)?)(?=\0)/g;

/**
 * What a program would print for --version, as far as its file has it.
 * @param content the file's, latin1
 * @returns `undefined` where only running it would tell
 */
export function readProgramVersion(
  project: Requirement["project"],
  content: string,
): string | undefined {
  if (project === "GNU coreutils") {
    // Its name and its version are two texts; of the latter kind there is no other.
    const [version, ...others] = content.matchAll(VERSION_ALONE);
    return content.includes(`${project}\0`) && others.length === 0 && version
      ? `${project} ${version[1] ?? ""}`
      : undefined;
  }
  const [said] =
    /(?:util-linux |btrfs-progs v)\d+(?:\.\d+)+/.exec(content) ?? [];
  return said?.startsWith(project) === true ? said : undefined;
}
