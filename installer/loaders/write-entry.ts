import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { FileStatus } from "../../runtime/host/files.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import { locate } from "../system/formats/fstab.ts";
import { decodeConfig } from "./formats/config-text.ts";
import type { LoaderName } from "./formats/boot-loader.ts";

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

const DEFAULT_MODE = 0o644;

/** Of the block that boot-entry writes: others may stand beside it. */
const KEY = "default";

interface WriteRequest {
  readonly loader: LoaderName;
  /** Absolute. */
  readonly file: string;
  readonly text: string;
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
    const bytes =
      host.files.readBytes(target, MAX_CONFIG_BYTES) ?? Buffer.alloc(0);
    // Of another encoding the rest would not stay as it is.
    const decoded = decodeConfig(bytes, loader === "refind");
    const former = decoded?.text ?? bytes.toString("utf8");
    if (isOwn && former !== "" && !hasMark(former)) {
      throw new BootError("FILE_FOREIGN", `dockroot did not write ${file}`, {
        hint: "Name another file with --output FILE, or remove that one.",
      });
    }
    const content = decoded && putBlock(former, KEY, text);
    if (content === undefined) {
      throw new BootError(
        "FILE_FOREIGN",
        `${file} cannot be changed: ${decoded === undefined ? "it is not UTF-8 text" : `its lines "# dockroot ${KEY}: begin" and "# dockroot ${KEY}: end" do not pair`}`,
        { hint: "Correct it, or put the entry there yourself." },
      );
    }
    if (content !== former) {
      const encoded = decoded?.encode(content) ?? content;
      host.files.writeFile(target, { text: encoded }, attributes(host, target));
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
  if (
    location?.mount.fsType !== "btrfs" ||
    !isSameOrBelow(location.path, rwlayer)
  ) {
    return;
  }
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `${file} is in the root of this boot, which the next one replaces`,
    {
      hint: "Mount the filesystem that the boot loader reads, and name the file there with --output FILE.",
    },
  );
}

const mark = (key: string, edge: "begin" | "end") =>
  `# dockroot ${key}: ${edge}`;

/** Whether a file has a marked block of any key, or what is left of one. */
export function hasMark(text: string): boolean {
  return /^# dockroot(?: [\w-]+)?: (?:begin|end)/m.test(text);
}

/**
 * The file with the block in the place of the former one of the key, else at its end; the rest as it
 * is. A block without a key, as former versions wrote it, counts as one of the key.
 * @param key letters, digits, `_` and `-`
 * @returns `undefined` where one mark is without the other, or there are several blocks
 */
export function putBlock(
  file: string,
  key: string,
  text: string,
): string | undefined {
  const block = `${mark(key, "begin")}\n${text}${mark(key, "end")}\n`;
  const former = new RegExp(
    `^# dockroot((?: ${key})?): begin\\n([^]*?)^# dockroot\\1: end(?:\\n|$)`,
    "gm",
  );
  const [found, ...others] = [...file.matchAll(former)];
  const ownMark = new RegExp(`^# dockroot(?: ${key})?: (?:begin|end)`, "m");
  const isDamaged =
    others.length > 0 ||
    hasMark(found?.[2] ?? "") ||
    ownMark.test(file.replace(former, ""));
  if (isDamaged) return undefined;
  // A function: the text may have $ in it.
  if (found !== undefined) return file.replace(former, () => block);
  return file === "" ? block : `${file.replace(/(?<!\n)$/, "\n")}\n${block}`;
}
