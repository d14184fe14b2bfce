import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { makeDebianRoot, type Suite } from "../../fixtures/debian-root.ts";
import { run } from "../../fixtures/run.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { listTree, type TreeEntry } from "../../fixtures/tree-listing.ts";
import { executable, type Outcome } from "../binary/run-dockroot.ts";
import { makeScratch } from "./scratch.ts";

/** A whole Debian in a directory, with a kernel, initramfs-tools and dracut. */
export interface InstalledSystem {
  readonly root: string;
  /** Runs the executable for it, by --root. */
  readonly dockroot: (...args: string[]) => Outcome;
  /** Runs a program in it. @returns what it prints */
  readonly within: (...argv: string[]) => Promise<string>;
  /** All that is in it, but for times. */
  readonly tree: () => Record<string, Partial<TreeEntry>>;
  readonly kernelVersion: string;
}

const ENTER = `root=$1; shift
for name in dev proc sys; do mount --rbind "/$name" "$root/$name"; done
exec chroot "$root" "$@"`;
const CACHE = path.join(import.meta.dirname, "../../.cache");

/** Unpacks one; removed at the test's end. */
export async function makeInstalledSystem(
  t: Test,
  suite: Suite,
): Promise<InstalledSystem> {
  const tar = await makeDebianRoot(
    CACHE,
    async (step, work) => {
      t.comment(step);
      return work(() => undefined);
    },
    suite,
  );
  const root = path.join(makeScratch(t, `installed-${suite}`), "root");
  fs.mkdirSync(root);
  await run([
    ...["tar", "--extract", "--xattrs", "--xattrs-include=*", "--file", tar],
    ...["--numeric-owner", "--directory", root],
  ]);
  // How small the images are is of no matter here, but how fast they are made.
  fs.writeFileSync(
    path.join(root, "etc/dracut.conf.d/fast.conf"),
    'compress="zstd -1"\n',
  );
  fs.writeFileSync(
    path.join(root, "etc/initramfs-tools/conf.d/fast"),
    "COMPRESS=zstd\nCOMPRESSLEVEL=1\n",
  );
  const [kernelVersion = ""] = fs.readdirSync(path.join(root, "lib/modules"));
  return {
    root,
    kernelVersion,
    dockroot: (command = "", ...args) => {
      const { status, stdout, stderr, error } = spawnSync(
        executable,
        [command, "--root", root, ...args],
        { encoding: "utf8", timeout: scaleTimeout(300_000) },
      );
      if (error !== undefined) throw error;
      return { status, stdout, stderr };
    },
    within: (...argv) =>
      run(
        [
          ...["unshare", "--mount", "--propagation", "private", "--"],
          ...["sh", "-ec", ENTER, "sh", root, ...argv],
        ],
        { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
      ),
    tree: () =>
      Object.fromEntries(
        Object.entries(listTree(root))
          // install and uninstall append to it, and it stays.
          .filter(([name]) => name !== "var/log/dockroot.log")
          .map(([name, entry]) => {
            const { mtime: _mtime, ...others } = entry;
            return [name, others];
          }),
      ),
  };
}
