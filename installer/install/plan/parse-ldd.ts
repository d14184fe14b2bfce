import path from "node:path";

/**
 * Reads what ldd(1) prints: `	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)`, and
 * `	/lib64/ld-linux-x86-64.so.2 (0x...)`.
 * @returns the names of the libraries, without those that the kernel provides
 */
export function parseLdd(text: string): string[] {
  const names = text.split("\n").flatMap((line) => {
    const [, name, file] =
      /^\s+(\S+) => (\/\S+) \(0x/.exec(line) ??
      /^\s+(\/\S+)() \(0x/.exec(line) ??
      [];
    if (name === undefined) return [];
    return [path.basename(file === undefined || file === "" ? name : file)];
  });
  return [...new Set(names)].sort();
}
