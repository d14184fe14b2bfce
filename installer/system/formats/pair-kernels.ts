/** A kernel's name in its directory, with that of its initramfs. */
export interface KernelPair {
  readonly kernel: string;
  /** `undefined` where there is none. */
  readonly initramfs: string | undefined;
  /** What the kernel's name says of its version. */
  readonly version: string | undefined;
}

const MICROCODE = ["intel-ucode.img", "amd-ucode.img"];

/**
 * Which kernels are in a directory, by the names that distributions give: `vmlinuz-VERSION` with
 * `initrd.img-VERSION` (Debian) or `initramfs-VERSION.img` (Fedora, Arch), `linux` with `initrd`
 * (kernel-install).
 */
export function pairKernels(names: readonly string[]): KernelPair[] {
  const there = new Set(names);
  return names.flatMap((kernel) => {
    const suffix = /^(?:vmlinuz|bzImage|Image)(|-.+)$/.exec(kernel)?.[1];
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

function initramfsNames(suffix = ""): string[] {
  return [
    `initrd.img${suffix}`,
    `initramfs${suffix}.img`,
    `initrd${suffix}.img`,
    `initramfs${suffix}`,
    `initrd${suffix}`,
  ];
}

/** The processor's microcode, which is loaded before the initramfs. */
export function findMicrocode(names: readonly string[]): string[] {
  return MICROCODE.filter((name) => names.includes(name));
}
