import type { Sample } from "./comparison.ts";

/**
 * Reads the times in a kernel log, whose clock begins with the kernel's first line.
 * @param text as dmesg prints it
 * @throws Error where it does not tell when root was there
 */
export function parseKernelLog(text: string): Sample {
  const whenMs = (line: RegExp): number => {
    const said = text.split(/\r?\n/).find((candidate) => line.test(candidate));
    const seconds = /^\[ *(\d+\.\d+)\]/.exec(said ?? "")?.[1];
    if (seconds === undefined) {
      throw new Error(`the kernel log has no line ${String(line)}:\n${text}`);
    }
    return Number(seconds) * 1000;
  };
  const initramfsMs = whenMs(/\] Run \/init as init process/);
  const rootMs = whenMs(/\] bench: root is mounted/);
  return {
    value: rootMs,
    parts: { kernel: initramfsMs, initramfs: rootMs - initramfsMs },
  };
}
