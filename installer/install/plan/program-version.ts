import type { Requirement } from "./helper-version.ts";

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
