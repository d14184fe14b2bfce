#!/bin/sh
# Read by dracut before it gives a shell: the way out, where dockroot is what failed.
if systemctl --quiet is-failed dockroot.service; then
	echo "dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts."
elif [ -e /run/dockroot/other-root ]; then
	echo "dockroot: another root is mounted. 'exit' tries again, 'reboot -f' restarts."
fi
