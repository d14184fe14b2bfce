import fs from "node:fs";
import path from "node:path";
import { run } from "../../fixtures/run.ts";
import { OWN_RECORD } from "../../runtime/disk/disk.ts";
import type {
  RwlayerState,
  SubvolumeRecord,
} from "../../runtime/records/rwlayer-state.ts";
import { rwlayerPaths } from "../../runtime/options/rwlayer-names.ts";
import { readContent, type DiskContent } from "./disk-content.ts";

/** All that is on a disk, and what dockroot has written down of it. */
export interface KnownDisk {
  readonly content: DiskContent;
  /** By rwlayer. */
  readonly states: ReadonlyMap<string, readonly SubvolumeRecord[]>;
  /** By the path of the subvolume that has it. */
  readonly ownRecords: ReadonlyMap<string, readonly SubvolumeRecord[]>;
  /** By UUID: btrfs's number of the transaction that has changed it last. */
  readonly lastChanges: ReadonlyMap<string, number>;
}

export async function readKnownDisk(
  topLevel: string,
  rwlayers: readonly string[],
): Promise<KnownDisk> {
  const content = await readContent(topLevel);
  const list = await run(["btrfs", "subvolume", "list", "-u", topLevel]);
  const read = (file: string): readonly SubvolumeRecord[] => {
    const whole = path.join(topLevel, file);
    if (!fs.existsSync(whole)) return [];
    const text = fs.readFileSync(whole, "utf8");
    return (JSON.parse(text) as RwlayerState).subvolumes;
  };
  return {
    content,
    lastChanges: new Map(
      Array.from(
        list.matchAll(/^ID \d+ gen (\d+) top level \d+ uuid (\S+) /gm),
        ([, change, uuid = ""]) => [uuid, Number(change)],
      ),
    ),
    states: new Map(
      rwlayers.map((rwlayer) => [rwlayer, read(rwlayerPaths(rwlayer).state)]),
    ),
    ownRecords: new Map(
      content.subvolumes.map(({ path: file }) => [
        file,
        read(path.join(file, OWN_RECORD)),
      ]),
    ),
  };
}
