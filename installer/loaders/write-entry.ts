import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { FileStatus } from "../../runtime/host/files.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import { locate } from "../system/formats/fstab.ts";
import { DEFAULT_BLOCK, hasMark, putBlock } from "./formats/blocks.ts";
import { decodeConfig } from "./formats/config-text.ts";
import type { LoaderName } from "./formats/boot-loader.ts";

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

const DEFAULT_MODE = 0o644;

interface ConfigFile {
  readonly loader: LoaderName;
  /** Absolute. */
  readonly file: string;
  /** The rwlayer of this boot, and the filesystem that it is on. */
  readonly rwlayer: string | undefined;
}

/**
 * Puts the entry into a file, whole or not at all; what else is in it stays.
 * @returns the file, links resolved
 * @throws BootError
 */
export function writeEntry(
  host: Host,
  config: ConfigFile,
  text: string,
): string {
  const { loader, file } = config;
  // systemd-boot makes loader/entries itself, other programs may not have.
  const isOwn = loader === "systemd-boot" || loader === "efistub";
  return changeConfig(host, config, (former) => {
    if (isOwn && former !== "" && !hasMark(former)) {
      throw new BootError("FILE_FOREIGN", `dockroot did not write ${file}`, {
        hint: "Name another file with --output FILE, or remove that one.",
      });
    }
    return requireBlock(
      putBlock(former, DEFAULT_BLOCK, text),
      file,
      DEFAULT_BLOCK,
    );
  });
}

/** @returns the file's text with the block @throws BootError where its marks do not pair */
export function requireBlock(
  text: string | undefined,
  file: string,
  key: string,
): string {
  if (text !== undefined) return text;
  const why = `its lines "# dockroot ${key}: begin" and "# dockroot ${key}: end" do not pair`;
  throw cannotChange(file, why);
}

function cannotChange(file: string, why: string): BootError {
  return new BootError("FILE_FOREIGN", `${file} cannot be changed: ${why}`, {
    hint: "Correct the file, or add the entry by hand.",
  });
}

/**
 * Changes the text of a boot loader's file, whole or not at all, durably.
 * @param change gets `""` where there is no file
 * @returns the file, links resolved
 * @throws BootError
 */
export function changeConfig(
  host: Host,
  { loader, file, rwlayer }: ConfigFile,
  change: (former: string) => string,
): string {
  try {
    if (loader === "systemd-boot") {
      host.files.ensureDirectories(host.path(path.dirname(file)));
    }
    const target = resolve(host, host.path(file));
    refuseNewRoot(host, target, rwlayer);
    const bytes =
      host.files.readBytes(target, MAX_CONFIG_BYTES) ?? Buffer.alloc(0);
    // Of another encoding the rest would not stay as it is.
    const decoded = decodeConfig(bytes, loader === "refind");
    const former = decoded?.text ?? bytes.toString("utf8");
    const content = change(former);
    if (decoded === undefined) throw cannotChange(file, "it is not UTF-8 text");
    if (content !== former) {
      const text = decoded.encode(content);
      host.files.writeFile(target, { text }, attributes(host, target));
    }
    return target;
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BootError("STEP_FAILED", `cannot write ${file}`, {
      cause,
      hint: "The file is unchanged. Check that its directory exists and is writable.",
    });
  }
}

function resolve(host: Host, file: string): string {
  return host.files.statusOfTarget(file) === undefined
    ? path.join(host.files.realPath(path.dirname(file)), path.basename(file))
    : host.files.realPath(file);
}

/** Those that it has; a new one belongs to who has the directory, for FAT knows no other. */
function attributes(
  host: Host,
  file: string,
): Pick<FileStatus, "mode" | "uid" | "gid"> {
  const { statusOf } = host.files;
  const { mode = DEFAULT_MODE } = statusOf(file) ?? {};
  const { uid = 0, gid = 0 } =
    statusOf(file) ?? statusOf(path.dirname(file)) ?? {};
  return { mode, uid, gid };
}

/** @throws BootError where the file is in the root that the next boot replaces */
function refuseNewRoot(
  host: Host,
  file: string,
  rwlayer: string | undefined,
): void {
  if (rwlayer === undefined) return;
  const location = locate(readMounts(host), path.dirname(file));
  const { fsType, mountPoint } = location?.mount ?? {};
  const isInOverlay = fsType === "overlay" && mountPoint === "/";
  const isInSubvolume =
    fsType === "btrfs" && isSameOrBelow(location?.path ?? "", rwlayer);
  if (!isInOverlay && !isInSubvolume) return;
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `${file} is in the root of this boot, which the next one replaces`,
    {
      hint: "Mount the filesystem that the boot loader reads, and name the file there with --output FILE.",
    },
  );
}
