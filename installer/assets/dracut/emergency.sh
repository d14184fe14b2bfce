#!/bin/sh
# Read by dracut before it gives a shell: the way out, where dockroot is what failed.
! systemctl --quiet is-failed dockroot.service ||
	echo "dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts."
