import path from "node:path";
import type { Test } from "tap";
import { makeMountedDisk, type DiskOptions } from "../../fixtures/loop-disk.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { makeScratch } from "./scratch.ts";

/** A btrfs on which engines keep images, and a directory for all else. */
export interface StoreDisk {
  readonly scratch: string;
  /** Where the disk is mounted. */
  readonly top: string;
  /** @param name of its directory @returns its address */
  readonly startRegistry: (name?: string) => Promise<string>;
}

/** Makes one; all ends with the test. */
export async function makeStoreDisk(
  t: Test,
  name: string,
  options: DiskOptions = {},
): Promise<StoreDisk> {
  const scratch = makeScratch(t, name);
  const within = (name: string) => path.join(scratch, name);
  const disk = await makeMountedDisk(within("disk"), within("mnt"), options);
  t.teardown(disk.close);
  return {
    scratch,
    top: disk.mountPoint,
    startRegistry: async (name = "registry") => {
      const { address, stop } = await startRegistry(within(name));
      t.teardown(stop);
      return address;
    },
  };
}
