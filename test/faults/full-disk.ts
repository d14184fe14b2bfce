import fs from "node:fs";
import type { Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { attach, detach, lookAt } from "../root/boot-disk.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { sampleFaults } from "./choose-faults.ts";
import { wholeOf } from "./disk-content.ts";

/** A subvolume of its own, so that it goes at once. */
const FILLING = "filling";

/** What takes the room: in pieces, of which some are given back. */
export interface Filling {
  readonly what: string;
  /** Data that dockroot finds free, whatever else is taken. */
  readonly freeDataBytes: number;
  /** From large to small, until none fits any more. */
  readonly pieces: readonly {
    readonly add: (file: string) => Promise<void> | void;
  }[];
  /** With so many of the last pieces given back, or all, there is all that is needed. */
  readonly enough: number;
}

const MIB = 1024 ** 2;
const dataPieces = [64 * MIB, 8 * MIB, MIB, 65536, 4096].map((bytes) => ({
  add: (file: string) => allocate(file, bytes),
}));
const data: Filling = {
  what: "data",
  freeDataBytes: 0,
  pieces: dataPieces,
  enough: Infinity,
};
/** Its target stands in the metadata, and unlike a small file it needs no data for a moment. */
const longLink = {
  add: (file: string) => {
    fs.symlinkSync("x".repeat(3900), file);
  },
};
const metadata: Filling = {
  what: "metadata",
  freeDataBytes: 8 * MIB,
  pieces: [longLink],
  enough: 2000,
};

/** A file takes one, and nothing else. */
const inodes: Filling = {
  what: "inodes",
  freeDataBytes: 0,
  pieces: [
    {
      add: (file) => {
        fs.writeFileSync(file, "");
      },
    },
  ],
  enough: 300,
};

/** The filesystems that are filled, and with what. */
export const fillings = {
  btrfs: [data, metadata],
  ext4: [data, inodes],
} as const satisfies Record<string, readonly Filling[]>;

/**
 * Fills a copy of a disk that is not in use.
 * @returns the names of the pieces, in the order of their making
 */
export async function fillDisk(
  t: Test,
  disk: string,
  full: string,
  { freeDataBytes, pieces }: Filling,
  fsType: keyof typeof fillings = "btrfs",
): Promise<string[]> {
  await run(["cp", "--sparse=always", "--", disk, full]);
  await attach(t, full);
  const names: string[] = [];
  await lookAt(
    full,
    async (top) => {
      const filling = `${top}/${FILLING}`;
      if (fsType === "ext4") fs.mkdirSync(filling);
      else await run(["btrfs", "subvolume", "create", filling]);
      if (freeDataBytes > 0) {
        const room = `${filling}/room`;
        await allocate(room, freeDataBytes);
        await addPieces(`${filling}/data`, dataPieces);
        fs.rmSync(room);
        await run(["btrfs", "filesystem", "sync", top]);
      }
      names.push(...(await addPieces(filling, pieces)));
    },
    wholeOf(fsType),
  );
  await detach(full);
  return names;
}

async function addPieces(
  directory: string,
  pieces: Filling["pieces"],
): Promise<string[]> {
  fs.mkdirSync(directory, { recursive: true });
  const names: string[] = [];
  for (const { add } of pieces) {
    for (let isFull = false; !isFull;) {
      const name = String(names.length);
      try {
        await add(`${directory}/${name}`);
        names.push(name);
      } catch (error) {
        if (!/ENOSPC|No space left on device/.test(String(error))) throw error;
        fs.rmSync(`${directory}/${name}`, { force: true });
        isFull = true;
      }
    }
  }
  return names;
}

async function allocate(file: string, bytes: number): Promise<void> {
  await run(["fallocate", "--length", String(bytes), file]);
}

/** Takes the last of the pieces away from a full disk that has a loop device. */
export async function giveBack(
  disk: string,
  order: readonly string[],
  count: number,
  fsType: keyof typeof fillings = "btrfs",
): Promise<void> {
  await lookAt(
    disk,
    (top) => {
      for (const name of order.slice(order.length - count)) {
        fs.rmSync(`${top}/${FILLING}/${name}`);
      }
    },
    wholeOf(fsType),
  );
}

/** Gives all of the room back. */
export async function relieve(
  topLevel: string,
  fsType: keyof typeof fillings = "btrfs",
): Promise<void> {
  if (fsType === "ext4") {
    fs.rmSync(`${topLevel}/${FILLING}`, { recursive: true });
    return;
  }
  await run([
    ...["btrfs", "subvolume", "delete", "--commit-each"],
    `${topLevel}/${FILLING}`,
  ]);
  // Deleting frees nothing by itself: the room comes back while a thread of the kernel's is at work.
  await run(["btrfs", "subvolume", "sync", topLevel]);
}

/**
 * How many pieces are given back in each try: none, all that are needed, and some sizes between.
 * @param wanted how many tries, at least two
 */
export function chooseSizes(enough: number, wanted: number): number[] {
  const count = Math.max(2, Math.min(Math.floor(wanted), enough + 1));
  if (isWholeTier()) {
    return Array.from({ length: count }, (_, index) =>
      Math.floor((index * enough) / (count - 1)),
    );
  }
  const between = Array.from({ length: enough - 1 }, (_, index) => index + 1);
  return [0, ...sampleFaults(between, count - 2, sampleSeed()), enough];
}
