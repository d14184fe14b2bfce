import path from "node:path";
import { BootError, isSystemError } from "../../../runtime/host/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { readMounts } from "../../../runtime/mounts.ts";
import { isSameOrBelow } from "../../../runtime/overlap.ts";
import { locate } from "../toplayer/locate.ts";
import type { LoaderName } from "./loader-name.ts";
import { hasMark, putBlock } from "./marked-block.ts";

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
const DEFAULT_MODE = 0o644;

export interface WriteRequest {
  readonly loader: LoaderName;
  /** Absolute. */
  readonly file: string;
  readonly text: string;
  /** The rwlayer of this start, and the filesystem that it is on. */
  readonly rwlayer: string | undefined;
}

/**
 * Puts the entry into a file, whole or not at all; what else is in it stays.
 * @returns the file, links resolved
 * @throws BootError
 */
export function writeEntry(
  host: Host,
  { loader, file, text, rwlayer }: WriteRequest,
): string {
  const directory = path.dirname(file);
  // systemd-boot makes loader/entries itself, other programs may not have.
  const isOwn = loader === "systemd-boot" || loader === "efistub";
  try {
    if (loader === "systemd-boot") {
      host.files.ensureDirectories(host.path(directory));
    }
    const target = resolve(host, host.path(file));
    refuseNewRoot(host, target, rwlayer);
    const former = host.files.readText(target, MAX_CONFIG_BYTES) ?? "";
    if (isOwn && former !== "" && !hasMark(former)) {
      throw new BootError("FILE_FOREIGN", `${file} is not dockroot's`, {
        hint: "Name another file with --output FILE, or remove that one.",
      });
    }
    const content = former.includes("\0") ? undefined : putBlock(former, text);
    if (content === undefined) {
      throw new BootError(
        "FILE_FOREIGN",
        `${file} cannot be changed: ${former.includes("\0") ? "it is no UTF-8 text" : "the lines # dockroot: begin and # dockroot: end in it do not fit each other"}`,
        { hint: "Correct it, or put the entry there yourself." },
      );
    }
    const mode = host.files.statusOf(target)?.mode ?? DEFAULT_MODE;
    if (content !== former) host.files.replaceFile(target, content, mode);
    return target;
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BootError("STEP_FAILED", `cannot write ${file}`, {
      cause,
      hint: "The file is as it was. Is its directory there, and is it writable?",
    });
  }
}

function resolve(host: Host, file: string): string {
  return host.files.statusOfTarget(file) === undefined
    ? path.join(host.files.realPath(path.dirname(file)), path.basename(file))
    : host.files.realPath(file);
}

/** @throws BootError where the file is in the root that the next start replaces */
function refuseNewRoot(
  host: Host,
  file: string,
  rwlayer: string | undefined,
): void {
  if (rwlayer === undefined) return;
  const location = locate(readMounts(host), path.dirname(file));
  if (
    location?.mount.fsType !== "btrfs" ||
    !isSameOrBelow(location.path, rwlayer)
  ) {
    return;
  }
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `${file} is in the root of this start, which the next one replaces`,
    {
      hint: "Mount the filesystem that the boot loader reads, and name the file there with --output FILE.",
    },
  );
}
