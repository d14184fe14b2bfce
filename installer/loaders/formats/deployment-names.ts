import { lastValues, parseCmdline } from "../../../runtime/options/cmdline.ts";
import { lastSubvolume, splitPath } from "../../../runtime/options/parsers.ts";
import type { Tries } from "../../../runtime/records/deployments.ts";
import {
  formatCmdline,
  pathOnVolume,
  USUAL_RWLAYER,
  type MenuEntry,
} from "./boot-loader.ts";

/** The entry of one deployment. Paths from the boot filesystem's top level with a slash before. */
export interface DeploymentEntry {
  readonly n: number;
  readonly title: string;
  /** The kernel's. */
  readonly release: string;
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly options: string;
  /** How often the boot loader starts it by itself; `null` where it does not count that. */
  readonly tries: Tries | null;
}

/** An entry as the boot loader's menu has it: few of them say a release. */
export type ReadDeployment = Omit<DeploymentEntry, "release">;

/** What a boot loader's menu has of one rwlayer's deployments. */
export interface DeploymentMenu {
  readonly entries: readonly ReadDeployment[];
  /** What starts by itself; `undefined` where that is another entry, or cannot be told. */
  readonly next: number | undefined;
}

/**
 * A rwlayer's path as part of a name: of a file on FAT, which ignores case, and of an entry of GRUB's. The
 * patterns of systemd-boot, GRUB's paths of submenus and boot counters have signs of their own.
 */
export function encodeRwlayer(rwlayer: string): string {
  return Buffer.from(rwlayer)
    .toString("latin1")
    .replace(
      /[^a-z0-9_-]/g,
      (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
}

export function nameDeployment(rwlayer: string, n: number): string {
  return `dockroot-${encodeRwlayer(rwlayer)}-${String(n)}`;
}

/** Which deployment of the rwlayer is called so. */
export function parseDeploymentName(
  rwlayer: string,
  name: string,
): number | undefined {
  const n = Number(/-([1-9]\d{0,8})$/.exec(name)?.[1]);
  return name === nameDeployment(rwlayer, n) ? n : undefined;
}

/** Which deployment a kernel command line boots, of which rwlayer. */
export function findDeployment(
  options: string,
): { readonly rwlayer: string; readonly n: number } | undefined {
  const values = lastValues(parseCmdline(options));
  const n = values.get("dockroot.deployment") ?? "";
  if (!/^[1-9]\d{0,8}$/.test(n)) return undefined;
  const rwlayer =
    lastSubvolume(values.get("rootflags") ?? "") ??
    values.get("dockroot.root") ??
    USUAL_RWLAYER;
  return { rwlayer: splitPath(rwlayer).join("/"), n: Number(n) };
}

/** An entry without what the boot loader adds to its names and options. */
export function toDeployment(
  n: number,
  { title, kernel = "", initrds, options }: MenuEntry,
  tries: Tries | null = null,
): ReadDeployment {
  const own = parseCmdline(options).filter(({ key }) => key !== "initrd");
  return {
    n,
    title,
    kernel: pathOnVolume(kernel),
    initrds: initrds.map(pathOnVolume),
    options: formatCmdline(own),
    tries,
  };
}
