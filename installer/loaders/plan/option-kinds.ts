import { formatOption } from "../formats/boot-loader.ts";
import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";

/** What a kernel option is about: this machine, the root that it was started with, or one boot. */
export type OptionKind = "machine" | "old root" | "one boot";

/**
 * Names of options, of systemd, of the generators and of programs that make roots in other ways. An
 * asterisk at the end stands for whatever follows; a name with `=` has its value, too.
 */
const NAMES = {
  "old root": `
    root rootflags rootfstype rootfallback fstype real_root* rootfs subvol ro rw noinitrd
    nfsroot* netroot=nfs* netroot=cifs* root-path cifsuser cifspass
    usr usrflags usrfstype mount.usr* fstab rd.fstab systemd.mount-extra rd.systemd.mount-extra
    roothash* usrhash* systemd.verity* rd.systemd.verity* veritytab rd.veritytab
    systemd.volatile systemd.image_* rd.systemd.image_* systemd.pull rd.systemd.pull
    ostree* composefs* bootc* rd.bootc* rauc.* flatcar.* coreos.* ignition.* snap_* snapd_*
    overlayroot* rd.overlay* rd.live* rd.writable.fsimg rd.minmem rd.kiwi.* inst.*
    boot live live-* live.* persistent* persistence* union toram todisk findiso fromiso
    iso-scan/* bootfrom casper* netboot* fetch httpfs ftpfs loop loopfs* ip=frommedia
    archiso* miso* cow_* copytoram* img_dev img_loop img_flags
    zfs zfsforce zfs_force bootfs dozfs zbm.* systemConfig
  `,
  "one boot": `
    BOOT_IMAGE BOOTIF initrd auto recovery single s S -s 1 2 3 4 5 -b emergency rescue
    rd.emergency rd.rescue systemd.unit rd.systemd.unit init rdinit
    break rd.break* systemd.break rd.systemd.break rd.cmdline=ask disablehooks
    systemd.run systemd.run_* systemd.debug_shell rd.systemd.debug_shell
    systemd.default_debug_tty systemd.confirm_spawn systemd.condition-* systemd.factory_reset
    systemd.clock-usec systemd.random-seed fsck.mode=force quotacheck.mode=force forcefsck
    fastboot forcequotacheck autoinstall
  `,
} as const;

const PATTERNS = (["old root", "one boot"] as const).flatMap((kind) =>
  NAMES[kind]
    .trim()
    .split(/\s+/)
    .map((name) => ({ kind, pattern: likenDashes(name) })),
);

/** What an option is about; what is in no list is this machine's. */
export function kindOfOption(option: CmdlineOption): OptionKind {
  const key = likenDashes(option.key);
  const text = likenDashes(formatOption(option));
  const found = PATTERNS.find(({ pattern }) =>
    pattern.endsWith("*")
      ? text.startsWith(pattern.slice(0, -1))
      : pattern === (pattern.includes("=") ? text : key),
  );
  return found?.kind ?? "machine";
}

/** To kernel and systemd dash and underscore in a name are the same. */
function likenDashes(name: string): string {
  return name.replaceAll("-", "_");
}
