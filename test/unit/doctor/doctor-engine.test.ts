import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import {
  addStore,
  OPTIONS,
  setMenu,
  setOptions,
  type DoctorMachine,
} from "./captured-doctor.ts";
import {
  holdCases,
  together,
  withoutBoot,
  type Cases,
  type Change,
} from "./doctor-cases.ts";

const daemonJson = (text: string) => (machine: DoctorMachine) => {
  machine.image.write("etc/docker/daemon.json", text);
};

const ENGINE: Cases = {
  ...Object.fromEntries(
    [
      '{ "storage-driver": "overlay2" }',
      '{ "storage-driver": "btrfs", "userns-remap": "default" }',
      '{ "storage-driver": "btrfs", "features": { "containerd-snapshotter": true } }',
      '{ "features": { "containerd-snapshotter": false } }',
      "[]",
      "",
    ].map((text) => [`daemon.json of the image: ${text}`, daemonJson(text)]),
  ),
  "daemon.json here": ({ system }) => {
    system.write("etc/docker/daemon.json", '{ "storage-driver": "overlay2" }');
  },
  "no engine here": ({ system }) => {
    system.remove("etc/docker/daemon.json");
  },
  "Docker here, without daemon.json": ({ system }) => {
    system.remove("etc/docker/daemon.json");
    system.write("usr/bin/dockerd", "\x7fELF");
  },
  "stores side by side": (machine) => {
    addStore(machine, "containerd", "docker/containerd/daemon");
    machine.disk.edit("docker/image/btrfs/repositories.json", (text) =>
      text.replace('"one:1"', '"one:own"'),
    );
    const options = OPTIONS.replace("one:1", "one:own");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "layers in directories": ({ disk }) => {
    disk.remove("docker/btrfs");
    fs.renameSync(
      path.join(disk.at, "docker/image/btrfs"),
      path.join(disk.at, "docker/image/overlay2"),
    );
  },
  "a store that is damaged": ({ disk }) => {
    disk.write("docker/image/btrfs/repositories.json", '{"Repositories":');
  },
  "several stores, and no boot that names one": together(
    withoutBoot,
    (machine) => {
      addStore(machine, "podman");
      machine.asked = "one:1";
    },
  ),
  "an image that is asked for, and no boot": together(
    withoutBoot,
    (machine) => {
      machine.asked = "one:1";
    },
  ),
};

const snapshotter = (driver: string) =>
  daemonJson(`{ "features": { "containerd-snapshotter": true }${driver} }`);

const CONTAINERD: Cases = {
  "only the driver": daemonJson('{ "storage-driver": "btrfs" }'),
  "the feature, without a driver": snapshotter(""),
  "the feature, with another driver": snapshotter(
    ', "storage-driver": "overlayfs"',
  ),
  "the feature, with btrfs": snapshotter(', "storage-driver": "btrfs"'),
};

const storageConf =
  (text: string): Change =>
  ({ image }) => {
    image.write("usr/bin/podman", "", { mode: 0o755 });
    image.write("etc/containers/storage.conf", text);
  };

const PODMAN: Cases = Object.fromEntries(
  [
    '[storage]\ndriver = "overlay" # as packaged\n',
    "[storage]\ndriver = 'btrfs'\n",
    "[storage]\ndriver = btrfs\n",
    "",
  ].map((text) => [
    `storage.conf of the image: ${JSON.stringify(text)}`,
    storageConf(text),
  ]),
);

const fstab = (text: string) => (machine: DoctorMachine) => {
  machine.layer.write("etc/fstab", text);
};

/** What mounts the store in the new system. */
const STORE_MOUNT: Cases = {
  ...Object.fromEntries(
    [
      "",
      "LABEL=linux /var/lib/docker btrfs subvol=/docker/,noatime 0 0\n",
      "LABEL=linux /var/lib/docker btrfs subvol=my\\040docker 0 0\n",
      "LABEL=linux /var btrfs subvol=/ 0 0\nLABEL=linux / btrfs x 0 0\n",
      "/mnt/docker /var/lib/docker none bind 0 0\n",
      "LABEL=linux /var/lib/docker ext4 defaults 0 0\n",
      "LABEL=other /var/lib/docker btrfs subvol=docker 0 0\n",
      "LABEL=linux /var/lib/docker btrfs defaults 0 0\n",
      "LABEL=linux /var/lib/docker btrfs noauto 0 0\n",
    ].map((text) => [JSON.stringify(text), fstab(text)]),
  ),
  "nothing, and no engine in the image": together(fstab(""), ({ image }) => {
    image.remove("usr/sbin/dockerd");
  }),
  "a unit, at another directory": together(
    fstab(""),
    daemonJson('{ "storage-driver": "btrfs", "data-root": "/srv/my-d/" }'),
    ({ layer }) => {
      layer.write("etc/systemd/system/srv-my\\x2dd.mount");
    },
  ),
  "the line of another directory": together(
    fstab("LABEL=linux /srv/d btrfs subvol=docker 0 0\n"),
    daemonJson('{ "storage-driver": "btrfs", "data-root": "/srv/d" }'),
  ),
};

/** Names that a shell, the kernel and fstab would split. */
const NAMES: Cases = {
  "not mounted here, nor in the new system": together(fstab(""), (machine) => {
    machine.mounts.pop();
    const options = OPTIONS.replace(
      "docker_path=docker",
      '"docker_path=a b"',
    ).replace("root=LABEL=linux", '"root=LABEL=my disk"');
    setOptions(machine, options);
    setMenu(machine, { options });
  }),
};

await holdCases(t, "engine.txt", {
  "where the engine keeps images": [ENGINE],
  "containerd's store": [CONTAINERD, "containerd"],
  "Podman's store": [PODMAN, "podman"],
  "what mounts the store in the new system": [STORE_MOUNT],
  "names with spaces": [NAMES, "docker", "a b"],
});
