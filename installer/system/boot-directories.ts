/** Where boot partitions are usually mounted; of files that are in several the first one counts. */
export const BOOT_DIRECTORIES = ["/efi", "/boot/efi", "/esp", "/boot"];
