/** A program that dockroot calls, as it is here. */
export interface HelperStatus {
  readonly name: string;
  /** `undefined` where it is absent or does not tell; with no problem: where it was not run. */
  readonly version: string | undefined;
  /** What is wrong with it. */
  readonly problem: string | undefined;
  readonly remedy: string | undefined;
}

/** A program, whose it must be, and since when it can what is asked of it. */
export interface Requirement {
  readonly name: string;
  readonly project: "btrfs-progs" | "util-linux" | "GNU coreutils";
  readonly minimum: string;
}

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
    const problem = `there is no ${name} here`;
    return { name, version: undefined, problem, remedy };
  }
  const version = said.includes(project)
    ? /\bv?(\d+(?:\.\d+)+)/.exec(said)?.[1]
    : undefined;
  if (version === undefined) {
    const problem = `${name} is not that of ${project}`;
    return { name, version, problem, remedy };
  }
  if (isOlder(version, minimum)) {
    const problem = `${name} is of ${project} ${version}, older than ${minimum}`;
    return { name, version, problem, remedy };
  }
  return { name, version, problem: undefined, remedy: undefined };
}

/** Those that only running them would have told the versions of. */
export function uncheckedOf(helpers: readonly HelperStatus[]): string[] {
  return helpers
    .filter(
      ({ version, problem }) => version === undefined && problem === undefined,
    )
    .map(({ name }) => name);
}

function isOlder(version: string, minimum: string): boolean {
  const numbers = (text: string) => text.split("..").map(Number);
  const own = numbers(version);
  for (const [index, least] of numbers(minimum).entries()) {
    const part = own[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
