import type { PodmanConfig } from "../../engines/engine-configs.ts";
import type { Judgement } from "./judgement.ts";

const SET_DRIVER =
  'Write driver = "btrfs" below [storage] in /etc/containers/storage.conf; a new file needs runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage" there, too.';

/** @param hasStore whether there is a store already, with whose driver Podman stays */
export function judgePodman(
  { file, error, driver }: PodmanConfig,
  hasStore: boolean,
): Judgement {
  if (error !== undefined) {
    return {
      config: `${file} makes no sense, and Podman does not start with it`,
      problem: error,
      remedy: "Correct it: it is TOML.",
    };
  }
  if (driver === "btrfs") return { config: `${file} names the driver btrfs` };
  if (driver === undefined && hasStore) {
    return { config: `${file} names no driver: Podman stays with btrfs` };
  }
  return driver === undefined
    ? {
        config: `${file} names no driver`,
        problem: "in an empty directory Podman takes another than btrfs",
        remedy: SET_DRIVER,
      }
    : {
        config: `${file} names the driver ${driver}`,
        problem:
          "no root can be made of what is pulled with it, unless Podman has the store's driver in its database, and then it complains at each call",
        remedy: SET_DRIVER,
      };
}
