import type { Host } from "../../runtime/host/host.ts";
import { hasFile } from "./has-file.ts";

/** Where boot partitions are usually mounted; of files that are in several the first one counts. */
export const BOOT_DIRECTORIES = ["/efi", "/boot/efi", "/esp", "/boot"];

/**
 * The versions of the kernels that an initramfs can be made for: their modules are there. Of one that
 * was removed a part of the modules may be left, so those count alone that have their kernel, too; but
 * where none has it, as in an image whose kernels are kept elsewhere, all do.
 */
export function kernelVersions(host: Host): string[] {
  const versions = host.files
    .namesIn(host.path("/lib/modules"))
    .filter((version) => hasFile(host, `/lib/modules/${version}/modules.dep`));
  const whole = versions.filter((version) =>
    [
      `/boot/vmlinuz-${version}`,
      `/boot/vmlinux-${version}`,
      `/lib/modules/${version}/vmlinuz`,
    ].some((kernel) => hasFile(host, kernel)),
  );
  return whole.length > 0 ? whole : versions;
}
