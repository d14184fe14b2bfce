import path from "node:path";
import fs from "fs-extra";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { entryOf, listTree } from "../../fixtures/tree-listing.ts";
import {
  attach,
  lookAt,
  makeBootDisk,
  newLabel,
  rehearse,
} from "./boot-disk.ts";

// A top layer on a filesystem that keeps neither owners nor modes, such as an EFI partition.

const FILESYSTEMS = {
  vfat: ["mkfs.vfat", "-n"],
  exfat: ["mkfs.exfat", "-L"],
} as const;

type FilesystemType = keyof typeof FILESYSTEMS;

/** The files of the top layer to their modes in the root; with their directories, where those are new. */
const MODES: Readonly<Record<string, string>> = {
  "etc/hostname": "644",
  "etc/shadow": "600",
  "etc/shadow-": "600",
  "etc/gshadow": "600",
  "etc/ssh": "755",
  "etc/ssh/ssh_host_ed25519_key": "600",
  "etc/ssh/ssh_host_ed25519_key.pub": "644",
  "etc/ssh/sshd_config": "644",
  "etc/ssl/private": "700",
  "etc/ssl/private/server.pem": "600",
  "etc/wireguard/wg0.conf": "600",
  "etc/NetworkManager/system-connections/wifi.nmconnection": "600",
  "usr/local": "755",
  "usr/local/bin/tool": "755",
  "usr/local/sbin/tool": "755",
  "root/.profile": "600",
  "root/.ssh": "700",
  "root/.ssh/authorized_keys": "600",
  "home/me": "755",
  "home/me/.profile": "644",
  "home/me/.ssh": "700",
  "home/me/.ssh/id_ed25519": "600",
  "srv/directory-of-another/file": "644",
};

const disk = await makeBootDisk(t, "toplayer-ownerless");

for (const fsType of Object.keys(FILESYSTEMS) as FilesystemType[]) {
  await t.test(`a top layer on ${fsType} becomes root's`, async (t) => {
    const label = await makeTopLayerDisk(t, fsType);
    if (label === undefined) return;
    await checkStart(t, fsType, { label, fsType });
  });
}

await t.test("a type that mount is to detect", async (t) => {
  const label = await makeTopLayerDisk(t, "vfat");
  if (label === undefined) return;
  const options = "toplayerfstype=auto";
  await checkStart(t, "detected", { label, fsType: "vfat", options });
});

/** @returns its label; `undefined` where the system has no such filesystem */
async function makeTopLayerDisk(
  t: Test,
  fsType: FilesystemType,
): Promise<string | undefined> {
  const file = path.join(disk.scratch, fsType);
  // A label of vfat has eleven characters at most.
  const label = newLabel().slice(-11).toUpperCase();
  fs.removeSync(file);
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 64 * 1024 ** 2);
  await run([...FILESYSTEMS[fsType], label, file]);
  await attach(t, file);
  try {
    await lookAt(file, makeTopLayer, ["rw"]);
  } catch (error) {
    if (!/unknown filesystem type/.test(String(error))) throw error;
    t.plan(0, `this system has no ${fsType}`);
    return undefined;
  }
  return label;
}

async function checkStart(
  t: Test,
  rwlayer: string,
  topLayer: { label: string; fsType: FilesystemType; options?: string },
): Promise<void> {
  const { label, fsType, options = "" } = topLayer;
  const machine = rehearse(t, disk, rwlayer);
  const { status, stderr } = machine.boot(`toplayer=LABEL=${label} ${options}`);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  const { warnings } = machine.record();
  t.equal(warnings.length, 1, warnings.join("\n"));
  t.match(
    warnings[0],
    `the top layer LABEL=${label}:/ is on ${fsType}, which keeps neither owners nor modes`,
  );
  const root = await disk.look((top) => listTree(`${top}/${rwlayer}`));
  for (const [name, mode] of Object.entries(MODES)) {
    t.match(entryOf(root, name), { mode, owner: "0:0" }, name);
  }
  t.match(
    entryOf(root, "srv/directory-of-another"),
    { mode: "2770", owner: "1000:1001" },
    "the image's directory stays as it is",
  );
  t.match(entryOf(root, "root"), { mode: "700", owner: "0:0" });
}

function makeTopLayer(directory: string): void {
  for (const name of Object.keys(MODES)) {
    const isDirectory = Object.keys(MODES).some((other) =>
      other.startsWith(`${name}/`),
    );
    if (isDirectory) fs.mkdirpSync(`${directory}/${name}`);
    else fs.outputFileSync(`${directory}/${name}`, `${name}\n`);
  }
}
