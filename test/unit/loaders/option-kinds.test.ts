import fs from "node:fs";
import path from "node:path";
import t from "tap";
import {
  kindOfOption,
  type OptionKind,
} from "../../../installer/loaders/plan/option-kinds.ts";
import { parseCmdline } from "../../../runtime/options/cmdline.ts";

interface Documented {
  readonly program: string;
  readonly version: string;
  readonly options: readonly string[];
}

const documented = JSON.parse(
  fs.readFileSync(
    path.join(import.meta.dirname, "../../../fixtures/documented-options.json"),
    "utf8",
  ),
) as readonly Documented[];

/** What the programs' documentation says that each is for. */
const expected: Readonly<Record<OptionKind, string>> = {
  "old root": `
    root rootflags rootfstype rootfallback fstype ro rw boot nfsroot
    fstab rd.fstab mount.usr mount.usrfstype mount.usrflags
    veritytab rd.veritytab roothash usrhash systemd.verity rd.systemd.verity
    systemd.verity_root_data systemd.verity_root_hash systemd.verity_root_options
    systemd.verity_usr_data systemd.verity_usr_hash systemd.verity_usr_options
    systemd.volatile cifsuser cifspass root-path
    rd.overlay rd.overlay.crypt rd.overlay.reset rd.writable.fsimg rd.minmem
    rd.live.overlay.readonly rd.live.debug rd.live.dir rd.live.squashimg rd.live.ram
    rd.live.overlay.cowfs rd.live.overlay.size rd.live.overlay.nouserconfirmprompt
    rd.live.overlay.thin
  `,
  "one boot": `
    -b emergency rescue single s S 1 2 3 4 5 rd.emergency rd.rescue BOOTIF init break
    rd.break systemd.unit rd.systemd.unit systemd.run systemd.run_success_action
    systemd.run_failure_action systemd.debug_shell systemd.confirm_spawn
    systemd.condition-needs-update systemd.condition-first-boot systemd.clock-usec
    systemd.random-seed disablehooks
  `,
  machine: `
    systemd.dump_core systemd.crash_chvt systemd.crash_shell systemd.crash_reboot
    systemd.service_watchdogs systemd.show_status systemd.status_unit_format systemd.log_target
    systemd.log_level systemd.log_location systemd.log_color systemd.log_time systemd.log_tid
    systemd.default_standard_output systemd.default_standard_error systemd.setenv
    systemd.machine_id systemd.set_credential systemd.import_credentials systemd.mask
    systemd.wants systemd.early_core_pattern systemd.restore_state quiet debug locale.LANG
    locale.LANGUAGE locale.LC_CTYPE locale.LC_NUMERIC locale.LC_TIME locale.LC_COLLATE
    locale.LC_MONETARY locale.LC_MESSAGES locale.LC_PAPER locale.LC_NAME locale.LC_ADDRESS
    locale.LC_TELEPHONE locale.LC_MEASUREMENT locale.LC_IDENTIFICATION fsck.mode fsck.repair
    quotacheck.mode systemd.journald.forward_to_syslog systemd.journald.forward_to_kmsg
    systemd.journald.forward_to_console systemd.journald.forward_to_wall vconsole.keymap
    vconsole.keymap_toggle vconsole.font vconsole.font_map vconsole.font_unimap udev.log_level
    rd.udev.log_level udev.children_max rd.udev.children_max udev.exec_delay rd.udev.exec_delay
    udev.event_timeout rd.udev.event_timeout udev.timeout_signal rd.udev.timeout_signal
    udev.blockdev_read_only rd.udev.blockdev_read_only net.ifnames net.naming-scheme
    plymouth.enable rd.plymouth luks rd.luks luks.crypttab rd.luks.crypttab luks.name
    rd.luks.name luks.uuid rd.luks.uuid luks.options rd.luks.options luks.key rd.luks.key
    systemd.getty_auto systemd.gpt_auto rd.systemd.gpt_auto systemd.default_timeout_start_sec
    systemd.watchdog_device systemd.watchdog_sec systemd.watchdog_pre_sec
    systemd.watchdog_pretimeout_governor systemd.cpu_affinity modules_load rd.modules_load
    resume resumeflags systemd.firstboot systemd.hostname
    rd.auto rd.hostonly rd.cmdline rd.skipfsck rd.driver.blacklist rd.driver.pre
    rd.driver.post rd.driver.export rd.retry rd.timeout rd.noverifyssl rd.ctty
    rd.shutdown.timeout.umount rd.info rd.shell rd.debug rd.memdebug
    rd.vconsole.keymap rd.vconsole.keymap.ext rd.vconsole.unicode rd.vconsole.font
    rd.vconsole.font.map rd.vconsole.font.unimap rd.locale.LANG rd.locale.LC_ALL rd.lvm
    rd.lvm.vg rd.lvm.lv rd.lvm.conf rd.luks.allow-discards rd.luks.timeout
    rd.luks.key.tout rd.md rd.md.imsm rd.md.ddf rd.md.conf rd.md.waitclean rd.md.uuid rd.dm
    rd.dm.uuid rd.multipath rd.fips rd.fips.skipkernel ip ifname rd.route bootdev rd.bootif
    nameserver rd.peerdns biosdevname rd.neednet vlan bond team bridge rd.ntp rd.ntp.nodhcp
    rd.nfs.domain rd.net.dhcp.retry rd.net.timeout.dhcp rd.net.timeout.iflink
    rd.net.timeout.ifup rd.net.timeout.route rd.net.timeout.ipv6dad rd.net.timeout.ipv6auto
    rd.net.timeout.carrier netroot rd.iscsi.initiator rd.iscsi.target.name rd.iscsi.target.ip
    rd.iscsi.target.port rd.iscsi.target.group rd.iscsi.username rd.iscsi.password
    rd.iscsi.in.username rd.iscsi.in.password rd.iscsi.firmware rd.iscsi.login_retry_max
    rd.iscsi.param rd.iscsi.ibft rd.iscsi.mp rd.iscsi.waitnet rd.iscsi.testroute
    rd.iscsi.transport rd.fcoe fcoe rd.nonvmf rd.nvmf.nonbft rd.nvmf.nostatic rd.nvmf.nm
    rd.nvmf.hostnqn rd.nvmf.hostid rd.nvmf.discover dhcp rd.dasd rd.zfcp rd.zfcp.conf rd.znet
    rd.znet_ifname rd.zipl rd.cio_accept masterkey masterkeytype evmkey evmx509 ecryptfskey
    earlymodules rootdelay rd.log noresume cryptdevice cryptkey sleeptime sleepdevice
    initramfs.clear initramfs.runsize resume_offset blacklist panic netconsole all_generic_ide
  `,
};

const kindsOf = (name: string) =>
  (["old root", "one boot", "machine"] as const).filter((kind) =>
    expected[kind].trim().split(/\s+/).includes(name),
  );

const kindOf = (text: string): OptionKind | undefined => {
  const [option] = parseCmdline(text);
  return option && kindOfOption(option);
};

for (const { program, version, options } of documented) {
  t.test(`each documented option of ${program} ${version}`, (t) => {
    for (const name of options) {
      t.strictSame([kindOf(name)], kindsOf(name), name);
    }
    t.end();
  });
}

t.test("options of other programs, and by their values", (t) => {
  const cases: readonly (readonly [OptionKind, string])[] = [
    [
      "old root",
      "ostree=/ostree/boot.1/fedora/abc/0 ostree.prepare-root.composefs=1 composefs=abc bootc.x=1 overlayroot=tmpfs overlayroot_cfgdisk=x real_root=/dev/sda3 real_rootflags=x nfsroot=1.2.3.4:/x netroot=nfs:1.2.3.4:/x rd.live.image systemd.mount-extra=UUID=1:/var:ext4 systemd.mount_extra=UUID=1:/var:ext4 usr=/dev/sda4 archisobasedir=arch archisosearchuuid=1 boot=casper boot=live live-media=x toram persistent iso-scan/filename=/x.iso casper-getty zfs=rpool/ROOT roothash=abc usrhash=abc systemd.image_policy=root=verity fstab=no rd.fstab=0 inst.repo=x rd.overlayfs=1 snapd_recovery_mode=run",
    ],
    [
      "one boot",
      "BOOT_IMAGE=/x initrd=\\x systemd.run=/bin/x systemd.debug-shell systemd.debug_shell=1 rd.systemd.unit=rescue.target rd.emergency init=/bin/sh rdinit=/x systemd.break=pre-mount rd.break=mount rd.cmdline=ask fsck.mode=force systemd.factory_reset=1",
    ],
    [
      "machine",
      "cryptdevice=UUID=2:root resume=UUID=3 resume_offset=5 console=tty1 acpi_osi=! noresume zfs.zfs_arc_max=1 loop.max_loop=8 netroot=iscsi:@1.2.3.4 rootwait bootdev=eth0 fsck.mode=skip swapaccount=1 systemd.swap-extra=/dev/sda3 initcall_debug auto_msgmni intel_iommu=on",
    ],
  ];
  for (const [kind, cmdline] of cases) {
    for (const option of cmdline.split(" ")) {
      t.equal(kindOf(option), kind, option);
    }
  }
  t.end();
});
