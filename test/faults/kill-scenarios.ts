import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { mountDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import {
  makeScenarios,
  OWN_DIRECTORY,
  RWLAYER,
  type Scenario,
  type ScenarioName,
} from "./boot-scenarios.ts";

/** A machine before a boot, of whose former roots those past the limit can go. */
export interface KillScenario extends Omit<Scenario, "content"> {
  /** The UUIDs of roots in which somebody has worked. */
  readonly used: ReadonlySet<string>;
}

/** After so many transactions a root that is written to counts as used. */
const TRANSACTIONS = 25;

/**
 * As `makeScenarios`. Nobody has worked in an overlay: ten minutes would have to pass.
 */
export async function makeKillScenarios(
  t: Test,
  names: readonly ScenarioName[],
  fsType: Scenario["fsType"],
): Promise<KillScenario[]> {
  const made: KillScenario[] = [];
  for (const scenario of await makeScenarios(t, names, fsType)) {
    const { disk, result } = scenario;
    if (fsType !== "btrfs") {
      made.push({ ...scenario, used: new Set() });
      continue;
    }
    const top = await mountDisk(disk, `${disk}-top`, ["subvolid=5"]);
    try {
      await removeNested(top.mountPoint, result);
      made.push({ ...scenario, used: await workInRoots(top.mountPoint) });
    } finally {
      await top.close();
    }
  }
  return made;
}

/**
 * Takes away what would keep a former root for ever: the subvolumes that its user made in it. What a
 * kept root has stays, for its successor has it, too.
 */
async function removeNested(
  top: string,
  result: Scenario["result"],
): Promise<void> {
  const list = await run(["btrfs", "subvolume", "list", top]);
  for (const [, place = ""] of list.matchAll(
    / path (.+\/var\/lib\/machines)$/gm,
  )) {
    if (result === "kept" && place.startsWith(`${RWLAYER}/`)) continue;
    const machines = path.join(top, place);
    const setReadOnly = (value: string) =>
      run(["btrfs", "property", "set", "-f", "-ts", machines, "ro", value]);
    await setReadOnly("false");
    await run(["btrfs", "subvolume", "delete", `${machines}/one`]);
    await setReadOnly("true");
  }
}

/** @returns the UUIDs of those that were used: of three and more all but the newest former one */
async function workInRoots(top: string): Promise<ReadonlySet<string>> {
  const generations = path.join(top, OWN_DIRECTORY, "generations");
  const roots = [
    ...fs
      .readdirSync(generations)
      .filter((name) => /^\d+$/.test(name))
      .toSorted((one, other) => Number(one) - Number(other))
      .map((name) => path.join(generations, name)),
    path.join(top, RWLAYER),
  ].filter(isWritable);
  for (let count = 0; count < TRANSACTIONS; count += 1) {
    fs.writeFileSync(path.join(top, "work"), String(count));
    await run(["btrfs", "filesystem", "sync", top]);
  }
  fs.rmSync(path.join(top, "work"));
  const used = new Set<string>();
  for (const [index, root] of roots.entries()) {
    if (roots.length > 2 && index === roots.length - 2) continue;
    fs.writeFileSync(path.join(root, "etc/worked"), "for long");
    const shown = await run(["btrfs", "subvolume", "show", root]);
    used.add(/^\tUUID: +\t+(\S+)$/m.exec(shown)?.[1] ?? "");
  }
  return used;
}

function isWritable(root: string): boolean {
  try {
    fs.accessSync(root, fs.constants.W_OK);
    return true;
  } catch (error) {
    if (/ENOENT|EROFS/.test(String(error))) return false;
    throw error;
  }
}
