import { randomBytes } from "node:crypto";
import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { Host } from "../../runtime/host/host.ts";
import { OVERLAY_DISK } from "../../runtime/records/boot-record.ts";
import type { Confirm } from "../cli/cli-context.ts";
import { findStoreMount, type StoreChoice } from "../system/find-store.ts";
import { findCryptNames } from "../system/crypt-devices.ts";
import {
  locate,
  parseFstab,
  type FstabEntry,
} from "../system/formats/fstab.ts";
import { formatMachineId, isMachineId } from "../system/formats/machine-id.ts";
import { isPassword, parseShadow } from "../system/formats/parse-accounts.ts";
import { withImageInSystem } from "../system/image.ts";
import { readAccounts } from "../system/read-accounts.ts";
import { findFilled } from "./final-files.ts";
import {
  ownUsers,
  type AccountTexts,
  type ChosenAccounts,
} from "./plan/merge-accounts.ts";
import {
  isSwapFile,
  type StoreMount,
  type UnknownMount,
} from "./plan/make-fstab.ts";
import type { InitFacts } from "./plan/plan-files.ts";

const MAX_TEXT_BYTES = 1024 * 1024;

/**
 * Reads what a top layer for this machine begins with.
 * @param image its reference; `undefined` for that of the kernel options or the configuration
 * @throws BootError where a file cannot be read, or an image that is named cannot be found
 */
export async function gatherInit(
  host: Host,
  choice: StoreChoice,
  image: string | undefined,
): Promise<InitFacts> {
  const read = (file: string) => host.readText(file, MAX_TEXT_BYTES);
  const machineId = read("/etc/machine-id");
  const fstab = read("/etc/fstab");
  const mounts = parseFstab(fstab ?? "").entries;
  const storeMount = await findStoreMount(host, choice);
  return {
    machine: {
      fstab,
      crypttab: read("/etc/crypttab"),
      hostname:
        readFirstLine(read("/etc/hostname")) ??
        readFirstLine(read("/proc/sys/kernel/hostname")) ??
        "localhost",
      machineId:
        machineId !== undefined && isMachineId(machineId)
          ? machineId
          : undefined,
      accounts: readAccounts(host, host.path("/")),
    },
    ...(await readImage(host, choice, image, mounts)),
    storeMount,
    kept: findKept(host, storeMount, [
      "/home",
      ...mounts.filter(isSwapFile).map(({ source }) => source),
    ]),
    hasHome: hasFilesInHome(host),
    cryptNames: await findCryptNames(
      host,
      mounts.map(({ source }) => source),
    ),
    newMachineId: formatMachineId(randomBytes(16)),
  };
}

/** Where files of this machine are below a new root that is an overlay, whose disk is the one that they are on now. */
function findKept(
  host: Host,
  store: StoreMount | UnknownMount,
  files: readonly string[],
): ReadonlyMap<string, string> {
  const kept = new Map<string, string>();
  if ("unknown" in store || store.overlayDevice === undefined) return kept;
  for (const file of files) {
    const place = host.path(file);
    if (host.files.statusOfTarget(place) === undefined) continue;
    const found = locate(readMounts(host), host.files.realPath(place));
    if (found?.mount.source === store.overlayDevice) {
      kept.set(file, path.join(OVERLAY_DISK, found.path));
    }
  }
  return kept;
}

function hasFilesInHome({ files, path: pathOf }: Host): boolean {
  const directory = pathOf("/home");
  return (
    files.statusOfTarget(directory)?.kind === "directory" &&
    files.namesIn(directory).some((name) => name !== "lost+found")
  );
}

/** @see https://www.freedesktop.org/software/systemd/man/latest/hostname.html */
function readFirstLine(text: string | undefined): string | undefined {
  return text
    ?.split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
}

async function readImage(
  host: Host,
  choice: StoreChoice,
  image: string | undefined,
  mounts: readonly FstabEntry[],
): Promise<Pick<InitFacts, "imageAccounts" | "imageHasFiles">> {
  try {
    return await withImageInSystem(host, choice, image, ({ reference, root }) =>
      Promise.resolve({
        imageAccounts: readAccounts(host, root) ?? {
          unknown: `the image ${reference} has no passwd, group or shadow`,
        },
        imageHasFiles: findFilled(host, root, mounts),
      }),
    );
  } catch (error) {
    // An image that is named must be there.
    if (!(error instanceof BootError) || image !== undefined) throw error;
    return {
      imageAccounts: { unknown: summarizeFailure(error) },
      imageHasFiles: new Set(),
    };
  }
}

/** Asks which of this machine's accounts go into the top layer. */
export async function chooseAccounts(
  machine: AccountTexts | undefined,
  confirm: Confirm,
): Promise<ChosenAccounts> {
  if (machine === undefined) return { users: [], root: false };
  const withPassword = new Set(
    parseShadow(machine.shadow)
      .entries.filter(({ password }) => isPassword(password))
      .map(({ name }) => name),
  );
  const root =
    withPassword.has("root") && (await confirm("Copy root's password?"));
  const users: string[] = [];
  for (const { name, uid } of ownUsers(machine)) {
    const how = withPassword.has(name)
      ? "with the password"
      : "who has no password";
    if (await confirm(`Copy the user ${name} (${String(uid)}), ${how}?`)) {
      users.push(name);
    }
  }
  return { users, root };
}
