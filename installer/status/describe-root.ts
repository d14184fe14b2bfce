import path from "node:path";
import type { Standing } from "../../runtime/plan/facts.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { SubvolumeSizes } from "./qgroups.ts";
import type { RootOnDisk, SubvolumeSize } from "./formats/status.ts";

export interface FoundRoot {
  readonly role: RootOnDisk["role"];
  /** Relative to the top level. */
  readonly file: string;
  readonly standing: Standing;
}

/** @throws HelperError */
export async function describeRoot(
  host: Host,
  topLevel: string,
  { role, file, standing }: FoundRoot,
  bootedUuid: string,
  sizes: SubvolumeSizes | undefined,
): Promise<RootOnDisk> {
  const found = standing.kind === "subvolume" ? standing : undefined;
  const record = found?.record;
  const size =
    found === undefined || sizes === undefined
      ? undefined
      : await sizeOf(host, path.join(topLevel, file), sizes);
  return {
    role,
    path: file,
    uuid: found?.subvolume.uuid ?? null,
    isRoot: found?.subvolume.uuid === bootedUuid,
    state: describeState(record),
    boot: record?.boot ?? null,
    image: record?.image ?? null,
    size: size ?? null,
  };
}

function describeState(
  record: { readonly complete: boolean } | undefined,
): RootOnDisk["state"] {
  if (record === undefined) return "foreign";
  return record.complete ? "complete" : "incomplete";
}

async function sizeOf(
  host: Host,
  file: string,
  sizes: SubvolumeSizes,
): Promise<SubvolumeSize | undefined> {
  const command = ["btrfs", "inspect-internal", "rootid", file];
  const { stdout } = await host.run(command);
  return sizes.get(Number(stdout.toString("utf8")));
}
