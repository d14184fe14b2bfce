#!/bin/bash
# dracut module: puts dockroot, its helpers, its units and its configuration into the initramfs.
HELPERS=(mount umount blkid flock setpriv cp sync cat)
# Of a system that boots from no btrfs it need not be there.
! find_binary btrfs >/dev/null || HELPERS+=(btrfs)
# Ends dracut: better no initramfs than one that boots what root there was.
fail() { dfatal "dockroot: $1"; exit 1; }
depends() { ! find_binary btrfs >/dev/null || echo btrfs; echo systemd systemd-initrd dracut-systemd; }
check() {
	[[ ! ${mount_needs-} ]] || return 1
	require_binaries "${HELPERS[@]}" /usr/bin/dockroot "${systemdutildir:?}/systemd" || fail "it needs the above"
	for module in $(depends); do
		[[ " ${omit_dracutmodules-} " != *" $module "* ]] || fail "it needs dracut's $module"
	done
}
installkernel() {
	hostonly='' instmods -c btrfs || hostonly='' instmods -c overlay || fail "the kernel has neither btrfs nor overlay"
	hostonly='' instmods overlay ext4 xfs vfat nls_cp437 nls_ascii nls_iso8859_1
}
install() {
	export do_strip=no # It refuses the executable; distributions strip what they ship anyway.
	local units=${systemdsystemunitdir:?}
	inst_multiple /usr/bin/dockroot "$units"/dockroot{{,-go,-finish}.service,-rooted.target} \
		"$units"/{sysroot.mount,initrd-cleanup.service}.d/dockroot.conf ||
		fail "cannot copy all of the above"
	"${SYSTEMCTL:?}" -q --root "${initdir:?}" add-wants initrd.target dockroot-finish.service || fail "cannot want its unit"
	for helper in "${HELPERS[@]}"; do # Not in a place where dracut's busybox may be.
		inst "$helper" "/usr/lib/dockroot/bin/$helper" || fail "cannot copy $helper"
	done
	inst_multiple -o /etc/dockroot.json /etc/docker-btrfs.json
	inst_hook emergency 10 "${moddir:?}/emergency.sh"
}
