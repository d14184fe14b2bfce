import type { BootFailure } from "../../../runtime/base/failure.ts";
import type { ErrorCode } from "../../../runtime/base/errors.ts";
import { programOf } from "../../engines/engine-configs.ts";
import type { DoctorFacts, TargetFacts } from "./facts.ts";
import { ok, stops, unknown, type Finding } from "./finding.ts";
import { failed } from "./check-starts.ts";

/** The image and its disk, where no boot says which. */
export function* checkTarget({
  target,
  place,
}: DoctorFacts): Iterable<Finding> {
  if (target === undefined) return;
  if (place.kind === "running") yield checkFilesystem(target);
  yield checkImage(target);
}

/** What is to be done here, where no option names a store. */
const REMEDIES: Partial<Record<ErrorCode, string>> = {
  STORE_MISSING: "Mount the image store, or pull the image.",
  STORE_AMBIGUOUS:
    "Say which one is meant in the boot menu entry: dockroot boot-entry --store-path DIR (of several in one directory --store KIND) prints it.",
};

function failedImage(failure: BootFailure): Finding {
  const remedy = REMEDIES[failure.code as ErrorCode];
  return failed(
    "the image",
    remedy === undefined ? failure : { ...failure, hint: remedy },
  );
}

function checkImage({ found, directory }: TargetFacts): Finding {
  switch (found.kind) {
    case "failed":
      return failedImage(found.failure);
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
      return ok("image", `${reference} is in ${directory}, ${id}`);
    }
  }
}

const SET_DRIVER = {
  docker: "set the storage driver btrfs in /etc/docker/daemon.json",
  podman:
    'set driver = "btrfs" below [storage] in /etc/containers/storage.conf',
} as const satisfies Record<ReturnType<typeof programOf>, string>;

function checkFilesystem({
  directory,
  home,
  storeFsType: fsType,
}: TargetFacts): Finding {
  if (fsType === undefined) {
    return unknown(
      "disk",
      `there is no ${directory}: which disk has the image store is not known`,
      "Install Docker or Podman, and mount a btrfs subvolume where it keeps images.",
    );
  }
  return fsType === "btrfs"
    ? ok("disk", `${directory} is on btrfs`)
    : stops(
        "disk",
        `the image store ${directory} is on ${fsType}, not on btrfs`,
        `Mount a subvolume of a btrfs there, ${SET_DRIVER[programOf(home)]}, and pull the image again.`,
      );
}
