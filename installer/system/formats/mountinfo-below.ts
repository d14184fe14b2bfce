/**
 * What /proc/self/mountinfo says to a process that has a directory for its root: the mounts below it,
 * and that at it.
 * @param text what it says here
 * @param tree an absolute path without links
 * @see proc_pid_mountinfo(5)
 */
export function mountinfoBelow(text: string, tree: string): string {
  const root = tree === "/" ? "" : escape(tree);
  return text
    .split("\n")
    .flatMap((line) => {
      const fields = line.split(" ");
      const [mountPoint] = fields.splice(4, 1);
      if (mountPoint !== root && mountPoint?.startsWith(`${root}/`) !== true) {
        return [];
      }
      fields.splice(4, 0, mountPoint.slice(root.length) || "/");
      return [`${fields.join(" ")}\n`];
    })
    .join("");
}

/** As the kernel writes a path there. */
function escape(file: string): string {
  return file.replace(
    /[ \t\n\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}
