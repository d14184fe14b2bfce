import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "fs-extra";
import net from "node:net";
import path from "node:path";

const GIB = 1024 ** 3;

/** Puts what is no regular file, or no usable one, where a file or a directory was. */
export type OddFile = (place: string) => void;

/**
 * @param socket an existing socket on the same filesystem, see `makeSocket`
 */
export function oddFiles(socket: string): Readonly<Record<string, OddFile>> {
  const mknod = (place: string, ...what: string[]) => {
    execFileSync("mknod", [place, ...what]);
  };
  return {
    missing: () => undefined,
    "a directory": (place) => {
      fs.mkdirSync(place);
    },
    "an empty file": (place) => {
      fs.writeFileSync(place, "");
    },
    "a FIFO": (place) => {
      mknod(place, "p");
    },
    "a socket": (place) => {
      fs.linkSync(socket, place);
    },
    "an endless device": (place) => {
      mknod(place, "c", "1", "5");
    },
    "a terminal": (place) => {
      mknod(place, "c", "5", "0");
    },
    "a block device": (place) => {
      mknod(place, "b", "7", "250");
    },
    "a GiB of nothing": (place) => {
      fs.writeFileSync(place, "");
      fs.truncateSync(place, GIB);
    },
    "a link to itself": (place) => {
      fs.symlinkSync(path.basename(place), place);
    },
    "a link to nowhere": (place) => {
      fs.symlinkSync("/nowhere", place);
    },
    "a link to a directory": (place) => {
      fs.symlinkSync("/", place);
    },
  };
}

/** Makes a socket that nothing listens on, to be linked to other names. */
export async function makeSocket(file: string): Promise<void> {
  // A Unix socket goes with its server, another name of it does not.
  const server = net.createServer().listen(`${file}~`);
  await once(server, "listening");
  fs.linkSync(`${file}~`, file);
  server.close();
  await once(server, "close");
}
