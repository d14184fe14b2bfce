/** Where boot partitions are usually mounted. */
export const BOOT_DIRECTORIES = ["/boot", "/boot/efi", "/efi", "/esp"];
