import fs from "fs-extra";
import path from "node:path";
import { addPrograms } from "../../../fixtures/images.ts";
import { initramfsTools } from "../../../installer/generators/initramfs-tools.ts";
import { helperNames } from "../../../installer/install/helpers.ts";

const PROGRAM = "in the image";

/** What is in an initramfs that dockroot works in, as far as `install` looks. */
export const INITRAMFS: Readonly<Record<string, string>> = Object.fromEntries(
  [
    "usr/bin/dockroot",
    ...helperNames.map((name) => `usr/lib/dockroot/bin/${name}`),
    ...initramfsTools.hooksInImage,
  ].map((name) => [name, PROGRAM]),
);

/** As lsinitramfs lists files with `PROGRAM` in them. */
export function formatListing(names: readonly string[]): string {
  const size = String(PROGRAM.length);
  return names
    .map((name) => `-rwxr-xr-x 1 root root ${size} Jan  1  1970 ${name}\n`)
    .join("");
}

/**
 * Adds to the tree of an image: modules of a kernel, what dockroot is installed by, and a stand-in for mkinitramfs,
 * which does as the image's /behaviour says, and then gives what is in its /made.
 */
export async function addGenerator(
  tree: string,
  release: string,
  made: Buffer,
): Promise<void> {
  const write = (file: string, text: string | Buffer, mode?: number) => {
    fs.outputFileSync(path.join(tree, file), text, { mode });
  };
  await addPrograms(tree, ["sh", "cat"]);
  write(`lib/modules/${release}/modules.dep`, "");
  write(`lib/modules/${release}/modules.builtin`, "kernel/fs/btrfs/btrfs.ko\n");
  for (const name of helperNames) write(`usr/bin/${name}`, "");
  write("usr/bin/dockroot", PROGRAM);
  write("etc/initramfs-tools/conf.d/README", "");
  write("usr/bin/ldd", "#!/bin/sh\n", 0o755);
  write("usr/bin/lsinitramfs", "#!/bin/sh\ncat /listing\n", 0o755);
  write(
    "usr/sbin/mkinitramfs",
    `#!/bin/sh\n[ "$1 $3" = "-o ${release}" ] || exit 9\n. /behaviour\ncat /made >"$2"\n`,
    0o755,
  );
  write("behaviour", "");
  write("made", made);
  write("listing", formatListing(Object.keys(INITRAMFS)));
}
