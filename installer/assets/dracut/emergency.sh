#!/bin/sh
# Read by dracut before it gives a shell: the way out, where dockroot is what failed. To the kernel log:
# sulogin drops what the kernel has not sent to a serial terminal yet, and a machine may have several consoles.
if systemctl --quiet is-failed dockroot.service; then
	echo "<2>dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts." >/dev/kmsg
elif [ -e /run/dockroot/other-root ]; then
	echo "<2>dockroot: another root is mounted. 'exit' tries again, 'reboot -f' restarts." >/dev/kmsg
fi
