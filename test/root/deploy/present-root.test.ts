// runner: tier=first seconds=20
import { spawnSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { quote } from "../../../runtime/base/quote.ts";
import { run } from "../../../fixtures/run.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { attach, newLabel } from "../boot-disk.ts";
import { FIRST, makeDeploySystem } from "./deploy-system.ts";

const { disk } = await makeDeploySystem(t, "present-root");
await disk.look((top) => fs.remove(`${top}/grub`));

// A PC without an ESP: its root is ext4, and GRUB's menu is in the /boot there.
const file = path.join(disk.scratch, "present-root.img");
await run(["mkfs.ext4", "-q", "-L", newLabel(), file, "32M"]);
const device = await attach(t, file);
const root = path.join(disk.scratch, "present-root");
fs.mkdirpSync(root);

interface Call {
  readonly cmdline: string;
  /** Done in the root, before the command. */
  readonly before?: string;
  /** What is the root of the system: the PC's own, or another one, from which its own is not mounted. */
  readonly source: string;
}

/** Runs the executable in a system with that root. */
function inSystem({ cmdline, before = "", source }: Call, ...args: string[]) {
  fs.writeFileSync(`${root}.cmdline`, `${cmdline}\n`);
  const script = [
    "set -e",
    'mount $1 "$2"; cd "$2"',
    "mkdir -p usr etc dev proc sys run boot/grub var/lib/docker tmp",
    "for link in bin sbin lib lib64; do ln -sfn usr/$link $link; done",
    "mount --rbind /usr usr; mount --rbind /dev dev; mount --rbind /sys sys",
    "mount --bind /proc proc; mount -t tmpfs tmpfs run",
    'mount --bind "$2.cmdline" proc/cmdline',
    `mount -o subvol=docker LABEL=${disk.label} var/lib/docker`,
    `touch run/dockroot-test; mount --bind ${quote(executable)} run/dockroot-test`,
    before,
    'shift 2; exec chroot . /run/dockroot-test "$@"',
  ].join("\n");
  const call = ["--mount", "--propagation", "private", "sh", "-c", script];
  return spawnSync("unshare", [...call, "sh", source, root, ...args], {
    encoding: "utf8",
  });
}

let options = "";

await t.test("the first deployment, from the PC's own system", (t) => {
  const { status, stdout, stderr } = inSystem(
    {
      source: device,
      cmdline: "quiet",
      before: "echo 'source custom.cfg' > boot/grub/grub.cfg",
    },
    ...["upgrade", "system:1", "--pull=never"],
  );
  t.equal(status, 0, stderr + stdout);
  t.match(stdout, `to:   dockroot 1: system:1 (${FIRST})`);
  t.match(stdout, "GRUB boots it next");
  t.match(stderr, "has no boot_docker in its top directory");
  t.end();
});

await t.test(
  "its menu is found from the new system, where nothing mounts it",
  async (t) => {
    const look = async (name: string) => {
      await run(["mount", device, root]);
      try {
        return fs.readFileSync(`${root}/boot/grub/${name}`, "utf8");
      } finally {
        await run(["umount", root]);
      }
    };
    const menu = await look("dockroot.cfg");
    options = /^ *linux \S+ (.*)$/m.exec(menu)?.[1] ?? "";
    t.match(options, "dockroot.deployment=1");
    const { status, stdout, stderr } = inSystem(
      { source: "-t tmpfs tmpfs", cmdline: options },
      ...["upgrade", "next:1", "--pull=never"],
    );
    t.equal(status, 0, stderr + stdout);
    t.match(await look("dockroot.cfg"), "docker_rwlayer-2");
  },
);
