import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { Disk } from "../../runtime/disk/disk.ts";
import { listKeptImages } from "../../runtime/disk/kept-images.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { hexOf } from "../../runtime/images/image-ref.ts";
import {
  parseDeployments,
  type Deployments,
} from "../../runtime/records/deployments.ts";
import {
  readDeploymentMenu,
  type DeploymentMenu,
  type ReadDeployment,
} from "../../installer/loaders/deployment-menu.ts";
import type { BootPlace } from "../../installer/loaders/boot-place.ts";
import { BOOT_LOADERS } from "../../installer/loaders/formats/boot-loaders.ts";
import { FOREIGN, STATE, type DeployScenario } from "./deploy-scenarios.ts";
import type { DeployRun } from "./deploy-machine.ts";
import { lost, wrong, type Problem } from "./tally.ts";
import {
  describeChanges,
  readWholeDisk,
  type WholeDisk,
} from "./whole-disk.ts";

/** What a disk has of deployments. */
export interface DeploySight {
  /** As the boot loader reads it. */
  readonly menu: DeploymentMenu;
  /** Why entries would not boot. */
  readonly broken: readonly string[];
  /** `undefined` where there is none, or it is damaged. */
  readonly state: Deployments | undefined;
  /** The digits of the IDs that something has a directory for. */
  readonly images: readonly string[];
  /** The names in the directory of boot files. */
  readonly bootFiles: readonly string[];
  readonly disk: WholeDisk;
}

const RWLAYER = "docker_rwlayer";
const host = createHost("/", createLog([]));

/** Where a disk has boot files and a menu, if not at its own top level. */
export type SightPlace = Pick<
  BootPlace,
  "loader" | "top" | "menuTop" | "config"
>;

/** @param top the disk's top level */
export async function readDeploySight(
  top: string,
  place: SightPlace = {
    loader: BOOT_LOADERS.grub,
    ...{ top, menuTop: top, config: "grub/grub.cfg" },
  },
): Promise<DeploySight> {
  const filesystem = {
    ...{ device: "", type: "btrfs", uuid: undefined, label: undefined },
    ...{ isLabelUnique: false, partition: undefined, isMapped: false },
  };
  const menu = readDeploymentMenu(
    host,
    { ...place, filesystem, menuFilesystem: filesystem },
    RWLAYER,
  );
  const namesIn = (at: string, directory: string) =>
    host.files
      .namesIn(path.join(at, directory))
      .filter(
        (name) =>
          ![FOREIGN.image, FOREIGN.bootFiles, "dockroot/README"].includes(
            path.join(directory, name),
          ),
      );
  const kept = listKeptImages(new Disk(host, top, RWLAYER)).map(({ id }) => id);
  return {
    menu,
    broken: menu.entries.flatMap((entry) =>
      findBroken(top, place.top, entry, kept),
    ),
    state: readState(top),
    images: namesIn(top, ".dockroot/images"),
    bootFiles: namesIn(place.top, "dockroot"),
    disk: await readWholeDisk(top),
  };
}

function readState(top: string): Deployments | undefined {
  const file = path.join(top, STATE);
  if (!fs.existsSync(file)) return undefined;
  return parseDeployments(fs.readFileSync(file, "utf8"));
}

/**
 * Its image is kept, and its boot files are that image's own.
 * @param bootTop of the filesystem with the boot files
 */
function findBroken(
  top: string,
  bootTop: string,
  { n, kernel, initrds, options, title }: ReadDeployment,
  kept: readonly string[],
): string[] {
  const why = (text: string) => [`entry ${String(n)}: ${text}`];
  const id = /\bdocker_image=(?:\S+@)?(sha256:[0-9a-f]{64})/.exec(options)?.[1];
  if (id === undefined) return why(`no image in ${options}`);
  if (!kept.includes(id)) return why(`${id} is not kept`);
  // systemd-boot shows the version, too: the number and the release.
  const release = /\((?:\d+-)?([^()]*)\)$/.exec(title)?.[1] ?? "";
  const boot = path.join(top, ".dockroot/images", hexOf(id), "tree/boot");
  const pairs = [
    [kernel, `vmlinuz-${release}`],
    [initrds.join(" "), `initrd.img-${release}`],
  ] as const;
  return pairs.flatMap(([name, original]) => {
    const file = path.join(bootTop, name);
    if (!fs.existsSync(file)) return why(`${name} is missing`);
    return hashOf(file) === hashOf(path.join(boot, original))
      ? []
      : why(`${name} is not the image's`);
  });
}

function hashOf(file: string): string {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}

const IMAGE = "[0-9a-f]{64}";
const isOurs = new RegExp(
  `^(?:\\.dockroot/docker_rwlayer(?:$|/(?:deployments\\.json|(?:building|initrd)(?:$|/)))|\\.dockroot/images/${IMAGE}(?:/|$)|dockroot/${IMAGE}(?:\\.new)?(?:/|$)|grub/(?:custom|dockroot)\\.cfg)`,
);

/** What others have and is no longer as it was. @param mayChange besides */
export function judgeForeign(
  before: DeploySight,
  after: DeploySight,
  mayChange?: RegExp,
): Problem[] {
  const isForeign = (file: string) =>
    [FOREIGN.image, FOREIGN.bootFiles].some((own) =>
      `${file}/`.startsWith(`${own}/`),
    );
  const directories = [
    ...["", ".dockroot", ".dockroot/images", "dockroot", "grub"],
    ".dockroot/docker_rwlayer",
  ];
  return lost(
    describeChanges(before.disk, after.disk, {
      isFree: (file) =>
        (isOurs.test(file) && !isForeign(file)) ||
        mayChange?.test(file) === true,
      directories,
    }),
  );
}

/** What is wrong after a command that was interrupted or that failed, before anything else is done. */
export function judgeFaultyDeploy(
  { mayGo, next }: Pick<DeployScenario, "mayGo" | "next">,
  before: DeploySight,
  after: DeploySight,
): Problem[] {
  const { menu, broken } = after;
  const gone = before.menu.entries.filter(
    ({ n }) => !mayGo.includes(n) && !menu.entries.some((each) => each.n === n),
  );
  const isNextKnown = [before.menu.next, ...next].includes(menu.next);
  return [
    ...judgeForeign(before, after),
    ...lost(broken),
    ...lost(
      gone.map(({ n }) => `the entry of deployment ${String(n)} is gone`),
    ),
    ...(isNextKnown ? [] : wrong([`next is ${String(menu.next)}`])),
  ];
}

/** What is wrong when another command has done all its work. @param mayChange besides */
export function judgeSettled(
  before: DeploySight,
  after: DeploySight,
  mayChange?: RegExp,
): Problem[] {
  const { menu, broken, state, images, bootFiles, disk } = after;
  const { deployments = [], next } = state ?? {};
  const sets: [string, readonly unknown[], readonly unknown[]][] = [
    ["entries", menu.entries.map(({ n }) => n), deployments.map(({ n }) => n)],
    ["kept images", images, deployments.map(({ image }) => hexOf(image.id))],
    ["boot files", bootFiles, deployments.map(({ kernel }) => kernel.digest)],
    ["next", [menu.next], [next]],
  ];
  return [
    ...judgeForeign(before, after, mayChange),
    ...lost(broken),
    ...wrong([
      ...(deployments.length === 0 ? ["there is no deployment"] : []),
      ...sets.flatMap(([what, actual, expected]) =>
        listOf(actual) === listOf(expected)
          ? []
          : [`${what}: ${listOf(actual)}, the state has ${listOf(expected)}`],
      ),
      ...deployments
        .filter((each) => ["staged", "retired"].includes(each.state))
        .map(({ n, state: own }) => `deployment ${String(n)} is still ${own}`),
      ...Object.keys(disk.tree)
        .filter((name) =>
          /\.dockroot-put$|^dockroot\/.*\.new(?:\/|$)|^\.dockroot\/docker_rwlayer\/(?:building|initrd)$/.test(
            name,
          ),
        )
        .map((name) => `${name} is left`),
    ]),
  ];
}

function listOf(values: readonly unknown[]): string {
  return [...new Set(values.map(String))].toSorted().join(" ");
}

/** As `judgeRun`, where all commands are to succeed after a fault. */
export function judgeNext(ran: DeployRun): Problem[] {
  const failed = ran.tries.filter(({ status }) => status !== 0);
  return [
    ...judgeRun(ran),
    ...wrong(
      failed.map(({ command, said }) => `then ${command} fails: ${said}`),
    ),
  ];
}

/** What is wrong with how it ended and what it said. */
export function judgeRun({ isHung, left, said, tries }: DeployRun): Problem[] {
  const stack = /^\s+at .*:\d+:\d+\)?$/m.exec(said)?.[0];
  const silent = tries.filter(
    ({ status, said: own }) => status === 1 && !/^dockroot: \S/m.test(own),
  );
  return wrong([
    ...(isHung ? [`it did not end: ${said}`] : []),
    ...left.map((point) => `${point} is still mounted`),
    ...(stack === undefined ? [] : [`it is a bug: ${said}`]),
    ...silent.map(({ command }) => `${command} does not say why it failed`),
  ]);
}
