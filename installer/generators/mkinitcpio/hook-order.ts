/** What HOOKS calls dockroot: its name and that of the hook that it replaces. */
export const NAME = "dockroot";
export const FORMER_NAME = "docker-btrfs";

export function isOurs(hook: string): boolean {
  return hook === NAME || hook === FORMER_NAME;
}

/**
 * Hooks that come before dockroot: mkinitcpio's init runs them in the order of HOOKS, and they make
 * the root's device (`block`, `encrypt`, `lvm2`, ...), let a hibernated system resume, which must be
 * before anything is mounted, or make the keyboard fit for the shell that a failure ends in. With
 * `systemd` units are ordered by themselves, so that here it does not matter, but does no harm.
 */
const BEFORE = new Set([
  ...["base", "systemd", "udev", "memdisk", "block", "sleep", "rootdelay"],
  ...["keyboard", "keymap", "consolefont", "sd-vconsole"],
  ...["plymouth", "sd-plymouth"],
  ...["net", "netconf", "dropbear", "tinyssh", "nbd", "iscsi"],
  ...["encrypt", "sd-encrypt", "encryptssh", "plymouth-encrypt"],
  ...["clevis", "sd-clevis", "ykfde", "tpm2-encrypt", "sd-encrypt-opensc"],
  ...["lvm2", "sd-lvm2", "mdadm", "mdadm_udev", "dmraid", "bcache", "btrfs"],
  ...["resume", "uresume"],
]);

/**
 * Where in HOOKS dockroot goes: at the end, but before `strip`. So it is after all that makes a
 * device or resumes, hooks included that are not known here. `filesystems`, `fsck`, `usr` and
 * `shutdown` may be before it: the first two do nothing when the machine starts, the others nothing
 * before root is mounted. `strip` is to be last, by its own help.
 * @returns the index of the hook that it comes before, or the number of hooks
 */
export function placeIn(hooks: readonly string[]): number {
  const strip = hooks.lastIndexOf("strip");
  return strip === -1 || hooks.slice(strip).some(mustComeBefore)
    ? hooks.length
    : strip;
}

export function isWellPlaced(hooks: readonly string[], index: number): boolean {
  return !hooks.slice(index + 1).some(mustComeBefore);
}

/** Whether a hook that stands after dockroot keeps it from its work. */
export function mustComeBefore(hook: string): boolean {
  return BEFORE.has(hook);
}
