/** Where every program looks for what it needs. */
const ESSENTIAL = new Set([
  ...["/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/share"],
  ...["/dev", "/home", "/proc", "/run", "/sys", "/tmp", "/var", "/var/lib"],
]);

export const isEssential = (directory: string) => ESSENTIAL.has(directory);
