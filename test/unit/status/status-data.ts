import type { Status } from "../../../installer/status/formats/status.ts";

const image = {
  reference: "demo:latest",
  id: "sha256:2ae08ae4477a3c55dffebb55dd40463804013ead6630eb37f642e5922d6f7613",
};

/** What boot.json holds after a boot that made a new root. */
export const freshRecord = {
  result: "fresh",
  device: "/dev/vda2",
  filesystemUuid: "c7042bf1-2c89-441c-88ab-31e005893b89",
  root: "docker_rwlayer",
  isOverlay: false,
  layers: null,
  subvolumeUuid: "1d1ea182-4d91-a14f-9a1f-4b8865410602",
  rwlayer: "docker_rwlayer",
  boot: 5,
  image,
  source:
    "docker/btrfs/subvolumes/2cfd8d85991cfbcf2b95fcba5a9bcdea1e9963c2137908b975eb035af7fa0e3e",
  toplayer: {
    ...{ name: "LABEL=linux/boot_docker", digest: "2cfd8d85" },
    ...{ files: 12, directories: 4, symlinks: 1, others: 0, bytes: 34_100 },
  },
  failure: null,
  deployment: null,
  hasModules: null,
  restored: null,
  limits: { generations: 1, fallback: "last", helperTimeoutMs: 60_000 },
  version: 1,
  dockroot: "0.1.0",
  node: "v24.21.0",
  kernel: "6.1.0-40-amd64",
  steps: [
    { step: "find the root device LABEL=linux", durationMs: 108.4 },
    { step: "mount /dev/vda2 at /run/dockroot/toplevel", durationMs: 38.5 },
    {
      step: "snapshot docker/btrfs/subvolumes/2cfd8d85991c... as .dockroot/docker_rwlayer/staging",
      durationMs: 20.8,
    },
    {
      step: "check that .dockroot/docker_rwlayer/staging has an init",
      durationMs: 0.6,
    },
  ],
  totalMs: 1281.5,
  warnings: [],
} as const;

const { limits: _, ...booted } = freshRecord;

/** What whoever is root sees after it, where quotas are on. */
export const freshStatus: Status = {
  ...booted,
  roots: [
    {
      ...{ role: "rwlayer", path: "docker_rwlayer", isRoot: true },
      ...{ uuid: booted.subvolumeUuid, state: "complete", boot: 5, image },
      size: { referencedBytes: 312_000_000, exclusiveBytes: 3_162_112 },
    },
    {
      ...{ role: "generation", isRoot: false },
      path: ".dockroot/docker_rwlayer/generations/4",
      ...{ uuid: "cc097502-f5e5-5b44-9581-fff88add77a2", state: "complete" },
      ...{ boot: 4, image: { ...image, reference: "demo:next" } },
      size: { referencedBytes: 312_000_000, exclusiveBytes: 16_384 },
    },
  ],
  heldLayers: null,
  deployments: null,
  lastFailure: null,
  unreadable: [],
};
