import fs from "fs-extra";
import path from "node:path";
import type { Test } from "tap";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { makeScratch } from "../scratch.ts";

/** A system with an /etc and a /boot of its own, and this machine's /usr with more files in it. */
export interface OverlaySystem {
  /** Its files are in `root`; what runs, runs in there. */
  readonly host: Host;
  readonly root: string;
  /** What it has in /usr besides this machine's files. */
  readonly own: string;
  /** Writes a file, one of /usr included. */
  readonly write: (file: string, content: string, mode?: number) => void;
  /** What a program in there prints, and its exit status. */
  readonly run: (
    ...argv: string[]
  ) => Promise<{ readonly exitCode: number; readonly stdout: string }>;
}

const ENTER = `
set -e; root=$1 own=$2; shift 2
mount -t overlay -o "lowerdir=$own:/usr" overlay "$root/usr"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ ! -d /etc/alternatives ] || mount --bind /etc/alternatives "$root/etc/alternatives"
exec chroot "$root" "$@"
`;

export function makeOverlaySystem(t: Test, name: string): OverlaySystem {
  const scratch = makeScratch(t, name);
  const root = path.join(scratch, "root");
  const own = path.join(scratch, "usr");
  for (const directory of [
    ...["boot", "dev", "etc/alternatives", "proc", "run", "tmp", "usr"],
    "var/tmp",
  ]) {
    fs.mkdirpSync(path.join(root, directory));
  }
  for (const link of ["bin", "lib", "lib64", "sbin"]) {
    fs.symlinkSync(`usr/${link}`, path.join(root, link));
  }
  fs.mkdirpSync(own);
  const host = createHost(root, createLog([]));
  const runIn: Host["run"] = (argv, options) =>
    host.run(
      [
        ...["unshare", "--mount", "--propagation", "private", "--"],
        ...["sh", "-c", ENTER, "sh", root, own, ...argv],
      ],
      options,
    );
  return {
    ...{ root, own },
    host: { ...host, run: runIn },
    write: (file, content, mode = 0o644) => {
      const place = file.startsWith("/usr/")
        ? path.join(own, file.slice("/usr".length))
        : path.join(root, file);
      fs.outputFileSync(place, content, { mode });
      fs.chmodSync(place, mode);
    },
    run: async (...argv) => {
      const { exitCode, stdout } = await runIn(argv, {
        okExitCodes: Array.from({ length: 256 }, (_, status) => status),
      });
      return { exitCode, stdout: stdout.toString("utf8") };
    },
  };
}
