import fs from "fs-extra";
import path from "node:path";
import { gzipSync } from "node:zlib";
import type { Test } from "tap";
import { makeCpio, makeKernel } from "../../../fixtures/boot-files.ts";
import { withDockerEngine } from "../../../fixtures/image-store.ts";
import type { Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, type BootDisk } from "../boot-disk.ts";
import { runInSystem } from "../private-system.ts";

/** A machine whose GRUB reads its menu and its kernels from the filesystem with the image store. */
export interface DeploySystem {
  readonly disk: BootDisk;
  /** Runs the executable in it. */
  readonly dockroot: (...args: string[]) => Outcome;
  /** It has booted with these kernel options. */
  readonly booted: (cmdline: string) => void;
  /** From now on it has this mounted besides: arguments of mount(8). */
  readonly mounted: (...more: readonly (readonly string[])[]) => void;
  /** Does something with its engine. */
  readonly inEngine: <T>(
    work: (docker: (args: string[]) => Promise<string>) => Promise<T>,
  ) => Promise<T>;
  /** A file on the top level. */
  readonly read: (file: string) => Promise<string>;
}

export const FIRST = "6.1.0-50-test";
export const SECOND = "6.12.1-test";

/** What an image has of a kernel; the Dockerfile's lines come from it. */
export function addKernel(tree: string, release: string): void {
  fs.outputFileSync(`${tree}/boot/vmlinuz-${release}`, makeKernel(release));
  fs.outputFileSync(
    `${tree}/boot/initrd.img-${release}`,
    gzipSync(
      makeCpio({
        "usr/bin/dockroot": `of ${release}`,
        "usr/lib/dockroot/bin/btrfs": "",
      }),
    ),
  );
  fs.outputFileSync(`${tree}/lib/modules/${release}/modules.dep`, "");
}

/**
 * A disk with `system:1`, which has a kernel, and `next:1`, which has another one in its place.
 * @param files of `next:1` besides, by their paths
 */
export async function makeDeploySystem(
  t: Test,
  name: string,
  files: Readonly<Record<string, string>> = {},
  fsType: BootDisk["fsType"] = "btrfs",
): Promise<DeploySystem> {
  const disk = await makeBootDisk(
    ...([t, name] as const),
    (tree) => {
      addKernel(tree, FIRST);
    },
    fsType,
  );
  const isBtrfs = fsType === "btrfs";
  const driver = isBtrfs ? "btrfs" : "overlay2";
  await disk.look(async (top) => {
    fs.outputFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
    const scratch = path.join(disk.scratch, "build");
    const context = path.join(scratch, "context");
    addKernel(context, SECOND);
    for (const [file, text] of Object.entries(files)) {
      fs.outputFileSync(path.join(context, file), text);
    }
    fs.outputFileSync(
      `${context}/Dockerfile`,
      [
        "FROM system:1 AS base",
        "FROM scratch",
        "COPY --from=base /sbin /sbin",
        "COPY --from=base /etc /etc",
        "COPY . /",
      ].join("\n"),
    );
    await withDockerEngine(
      ...([`${top}/docker`, scratch] as const),
      ({ docker }) =>
        docker(["build", "--network=none", "--tag=next:1", context]),
      driver,
    );
  });
  const rootFlags = isBtrfs ? "rootflags=subvol=docker_rwlayer " : "";
  let cmdline = `root=LABEL=${disk.label} ${rootFlags}rw docker_path=docker docker_image=system:1 quiet`;
  const scratch = path.join(disk.scratch, "system");
  const ownRun = path.join(disk.scratch, "run");
  fs.mkdirpSync(ownRun);
  const top = "/run/initramfs/dockroot";
  fs.mkdirpSync(path.join(disk.scratch, top));
  const store = isBtrfs ? ["-o", "subvol=docker", `LABEL=${disk.label}`] : [];
  const mounts = [
    ["--bind", ownRun, "/run"],
    ...(isBtrfs
      ? []
      : [
          [`LABEL=${disk.label}`, top],
          ["--bind", `${top}/docker`, "/var/lib/docker"],
        ]),
  ];
  let more: readonly (readonly string[])[] = [];
  return {
    disk,
    dockroot: (...args) => {
      const system = { etc: {}, cmdline, store, mounts: [...mounts, ...more] };
      return runInSystem(scratch, system, ...args);
    },
    booted: (options) => {
      cmdline = options;
    },
    mounted: (...given) => {
      more = given;
    },
    inEngine: (work) =>
      disk.look((top) =>
        withDockerEngine(
          `${top}/docker`,
          path.join(disk.scratch, "engine"),
          ({ docker }) => work((args) => docker(args)),
          driver,
        ),
      ),
    read: (file) =>
      disk.look((top) => fs.readFileSync(path.join(top, file), "utf8")),
  };
}
