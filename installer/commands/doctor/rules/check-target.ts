import type { DoctorFacts } from "../facts.ts";
import { ok, stops, unknown, type Finding } from "../finding.ts";
import { failed } from "./check-starts.ts";

/** The image and its disk, where no start says which. */
export function checkTarget({ target, place, engine }: DoctorFacts): Finding[] {
  if (target === undefined) return [];
  const { found } = target;
  const store = engine.dataRoot ?? "/var/lib/docker";
  return [
    ...(place.kind === "running"
      ? checkFilesystem(target.storeFsType, store)
      : []),
    ...(found.kind === "failed"
      ? [failed("the image", found.failure)]
      : found.kind === "not-named"
        ? [
            unknown(
              "image",
              "it is not known which image is meant",
              "Name it with --image NAME:TAG.",
            ),
          ]
        : found.kind === "itself"
          ? [
              unknown(
                "image",
                "the image store is the machine's: this is not the running system",
              ),
            ]
          : [
              ok(
                "image",
                `${found.image.reference} is in ${store}, ${found.image.id}`,
              ),
            ]),
  ];
}

function checkFilesystem(fsType: string | undefined, store: string): Finding[] {
  if (fsType === undefined) {
    return [
      unknown(
        "disk",
        `there is no ${store}: which disk has the image store is not known`,
        "Install Docker, and mount a btrfs subvolume there.",
      ),
    ];
  }
  return fsType === "btrfs"
    ? [ok("disk", `${store} is on btrfs`)]
    : [
        stops(
          "disk",
          `the image store ${store} is on ${fsType}, not on btrfs`,
          "Mount a subvolume of a btrfs there, set the storage driver btrfs in /etc/docker/daemon.json, and pull the image again.",
        ),
      ];
}
