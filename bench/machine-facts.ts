import { readFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { run } from "../fixtures/run.ts";

/** What figures depend on besides dockroot. */
export interface MachineFacts {
  readonly kernel: string;
  readonly processors: string;
  readonly memoryBytes: number;
  readonly cp: string;
  readonly btrfs: string;
}

export async function readMachineFacts(): Promise<MachineFacts> {
  const firstLine = async (...argv: string[]) =>
    (await run(argv)).split("\n")[0] ?? "";
  const all = cpus();
  return {
    kernel: (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim(),
    processors: `${String(all.length)} x ${all[0]?.model ?? "unknown"}`,
    memoryBytes: totalmem(),
    cp: await firstLine("cp", "--version"),
    btrfs: await firstLine("btrfs", "--version"),
  };
}

export function formatMachine(facts: MachineFacts): string {
  const memory = `${(facts.memoryBytes / 1e9).toFixed(1)} GB`;
  return [
    `Linux ${facts.kernel}, ${facts.processors}, ${memory} of memory`,
    `${facts.cp}, ${facts.btrfs}`,
  ].join("\n");
}
