/** A command's arguments without --root and its directory. */
export function withoutRoot(argv: readonly string[]): string[] {
  return argv.filter(
    (argument, index) =>
      argument !== "--root" &&
      !argument.startsWith("--root=") &&
      argv[index - 1] !== "--root",
  );
}
