/**
 * What a system is called for people.
 * @param text of an os-release
 * @see https://www.freedesktop.org/software/systemd/man/latest/os-release.html
 */
export function parsePrettyName(text: string): string | undefined {
  const [, quoted] = /^PRETTY_NAME=(.*)$/m.exec(text) ?? [];
  return quoted?.replace(/^(["'])(.*)\1\s*$/, "$2");
}
