/** Where boot partitions are usually mounted; of files that are in several the first one counts. */
export const BOOT_DIRECTORIES = ["/efi", "/boot/efi", "/esp", "/boot"];

/** Where a /boot is on a filesystem, from its top level: of btrfs in those that installers make as roots. */
export const BOOTS_ON_DISK = ["", "boot", "@/boot", "@boot", "root/boot"];

/** A kernel's name in its directory, with that of its initramfs. */
export interface KernelPair {
  readonly kernel: string;
  /** `undefined` where there is none. */
  readonly initramfs: string | undefined;
  /** What the kernel's name says of its version. */
  readonly version: string | undefined;
}

/**
 * Which kernels are in a directory, by the names that distributions give: `vmlinuz-VERSION` with
 * `initrd.img-VERSION` (Debian) or `initramfs-VERSION.img` (Fedora, Arch), `linux` with `initrd`
 * (kernel-install).
 */
export function pairKernels(names: readonly string[]): KernelPair[] {
  const there = new Set(names);
  return names.flatMap((kernel) => {
    const suffix = /^(?:vmlinu[xz]|bzImage|Image|kernel)(|-.+)$/.exec(
      kernel,
    )?.[1];
    if (suffix === undefined && kernel !== "linux") return [];
    const initramfs = initramfsNames(suffix).find((name) => there.has(name));
    // A directory or a program may have that name.
    if (suffix === undefined && initramfs === undefined) return [];
    const version = suffix?.slice(1);
    return [
      {
        kernel,
        initramfs,
        version:
          version !== undefined && /^\d/.test(version) ? version : undefined,
      },
    ];
  });
}

/** By which names distributions call an initramfs, the likeliest first. */
export function initramfsNames(suffix = ""): string[] {
  return [
    `initrd.img${suffix}`,
    `initramfs${suffix}.img`,
    `initrd${suffix}.img`,
    `initramfs${suffix}`,
    `initrd${suffix}`,
  ];
}

/** By their numbers; what is not known is the oldest. */
export function compareVersions(a = "", b = ""): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** The processor's microcode, which is loaded before the initramfs. */
export function findMicrocode(names: readonly string[]): string[] {
  return ["intel-ucode.img", "amd-ucode.img"].filter((name) =>
    names.includes(name),
  );
}

/** How much of a kernel's file says its version. */
export const KERNEL_START_BYTES = 0x200 + 0xffff + 256;

const MAGIC = "HdrS";
const MAGIC_AT = 0x202;
const VERSION_AT = 0x20e;
const SETUP_AT = 0x200;
const MAX_VERSION_BYTES = 200;

/**
 * Reads a kernel's version, as `uname -r` prints it, from the beginning of its file.
 * @returns `undefined` where it is no bzImage of x86, or says none
 * @see https://docs.kernel.org/arch/x86/boot.html (kernel_version)
 */
export function parseKernelVersion(start: Buffer): string | undefined {
  const magic = start.toString("latin1", MAGIC_AT, MAGIC_AT + MAGIC.length);
  if (magic !== MAGIC || start.length < VERSION_AT + 2) return undefined;
  const offset = start.readUInt16LE(VERSION_AT);
  if (offset === 0) return undefined;
  const at = SETUP_AT + offset;
  const text = start.toString("latin1", at, at + MAX_VERSION_BYTES);
  return /^[\w.+~-]+/.exec(text)?.[0];
}
