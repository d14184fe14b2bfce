import { DEFAULT_STORE } from "../../../image.ts";
import type { DoctorFacts, TargetFacts } from "../facts.ts";
import { ok, stops, unknown, type Finding } from "../finding.ts";
import { failed } from "./check-starts.ts";

/** The image and its disk, where no start says which. */
export function checkTarget({ target, place, engine }: DoctorFacts): Finding[] {
  if (target === undefined) return [];
  const store = engine.dataRoot ?? DEFAULT_STORE;
  const disk =
    place.kind === "running" ? checkFilesystem(target.storeFsType, store) : [];
  return [...disk, checkImage(target, store)];
}

function checkImage({ found }: TargetFacts, store: string): Finding {
  switch (found.kind) {
    case "failed":
      return failed("the image", found.failure);
    case "not-named":
      return unknown(
        "image",
        "it is not known which image is meant",
        "Name it with --image NAME:TAG.",
      );
    case "itself":
      return unknown(
        "image",
        "the image store is the machine's: this is not the running system",
      );
    case "image": {
      const { reference, id } = found.image;
      return ok("image", `${reference} is in ${store}, ${id}`);
    }
  }
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
