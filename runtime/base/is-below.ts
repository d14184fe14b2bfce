/**
 * Whether a path lies below a directory; both are absolute, or both relative to the same one, which is
 * then `""`. Neither ends in a slash, but for `/`.
 */
export function isBelow(file: string, directory: string): boolean {
  if (directory === "") return file !== "";
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return file !== directory && file.startsWith(prefix);
}

/** As `isBelow`, or the directory itself. */
export function isSameOrBelow(file: string, directory: string): boolean {
  return file === directory || isBelow(file, directory);
}
