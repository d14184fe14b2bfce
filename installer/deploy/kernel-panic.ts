import type { Host } from "../../runtime/host/host.ts";

/** systemd-pstore.service saves what a kernel has left when it panicked: in a directory for each time, or one below it. */
const SAVED = "/var/lib/systemd/pstore";

/** Where that does not run, it is still where the kernel has left it. */
const LEFT = "/sys/fs/pstore";

const MAX_FILES = 20;

const MAX_BYTES = 1024 * 1024;

/**
 * The errors with which a kernel panicked, as the firmware has kept them for the next one.
 * @throws BootError, or what the system says, where that cannot be read
 */
export function readKernelPanic({
  files,
  path: pathOf,
}: Host): readonly string[] {
  const list = (directory: string) =>
    files
      .namesIn(pathOf(directory))
      .slice(-MAX_FILES)
      .map((name) => `${directory}/${name}`);
  const left = list(LEFT);
  const saved = list(SAVED)
    .flatMap((directory) => [directory, ...list(directory)])
    .map((directory) => `${directory}/dmesg.txt`);
  // By name, which has a time or a number, the last one is the newest.
  for (const file of [...left, ...saved].slice(-MAX_FILES).toReversed()) {
    if (files.statusOf(pathOf(file))?.kind !== "file") continue;
    const errors = findErrors(files.readText(pathOf(file), MAX_BYTES) ?? "");
    if (errors.length > 0) return errors;
  }
  return [];
}

/** Lines of one part, or of all, are as in /dev/kmsg of old: `<0>[    3.039991] Kernel panic - not syncing: ...`. */
function findErrors(text: string): readonly string[] {
  const errors = Array.from(
    text.matchAll(/^<[0-3]>\[ *[\d.]+\] (.*)$/gm),
    ([, message = ""]) => message,
  );
  return errors.some((message) => message.startsWith("Kernel panic"))
    ? errors.filter((message) => !message.startsWith("Kernel Offset"))
    : [];
}
