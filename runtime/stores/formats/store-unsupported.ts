import { BootError } from "../../base/errors.ts";

/** How Docker comes to unpack by containerd's btrfs snapshotter. */
export const CONTAINERD_TO_BTRFS = `put { "features": { "containerd-snapshotter": true }, "storage-driver": "btrfs" } into /etc/docker/daemon.json; systemctl restart docker`;

/** For each engine what is written where, and which commands move an image over. */
const WAYS = {
  docker: `docker save --output image.tar NAME; where /var/lib/docker is not on the btrfs, stop Docker and mount a subvolume there; put { "storage-driver": "btrfs" } into /etc/docker/daemon.json; systemctl restart docker; docker load --input image.tar.`,
  containerd: `${CONTAINERD_TO_BTRFS}; unpack the image there: docker rm $(docker create NAME true). Where containerd's directory is not on the btrfs, instead: docker save --output image.tar NAME; stop Docker and containerd; mount a subvolume there; change daemon.json as above; start Docker; docker load --input image.tar.`,
  podman: `podman save --output image.tar NAME; podman system reset (it removes all images, containers and volumes, and without it Podman stays with its driver); where /var/lib/containers/storage is not on the btrfs, mount a subvolume there; write below [storage] in /etc/containers/storage.conf: driver = "btrfs", and where there was no such file also runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage"; podman load --input image.tar.`,
} as const;

/**
 * The error for a store whose layers are no subvolumes: what it is, and the way to btrfs.
 * @param driver that has made the layers, for people: "Docker's overlay2 driver"
 */
export function storeUnsupported(
  storePath: string,
  engine: keyof typeof WAYS,
  driver: string,
): BootError {
  return new BootError(
    "STORE_UNSUPPORTED",
    `the layers in the store ${storePath} are not btrfs subvolumes but directories, made by ${driver}; dockroot needs btrfs subvolumes, to take snapshots of them`,
    { hint: `In a running system: ${WAYS[engine]}` },
  );
}
