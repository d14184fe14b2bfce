import t from "tap";
import { parseListing } from "../../../installer/initramfs/verify-image.ts";

// lsinitcpio -l -v IMAGE, mkinitcpio 41 with bsdcpio 3.6.2: some of the lines.
const LISTING = `-rw-r--r--   0 root     root            2 Jan  1  1970 early_cpio
lrwxrwxrwx   0 root     root            3 Jan  1  1970 usr/sbin -> bin
drwxr-xr-x   0 root     root            0 Jan  1  1970 hooks/
-rwxr-xr-x   0 root     root          953 Jan  1  1970 hooks/dockroot
-r-xr-xr-x   0 root     root     109710144 Jan  1  1970 usr/bin/dockroot
-rw-r--r--   0 root     root      3855041 Jan  1  1970 usr/lib/modules/6.1.0-50-cloud-amd64/kernel/fs/btrfs/btrfs.ko
lrwxrwxrwx   0 root     root           26 Jan  1  1970 usr/lib/systemd/system/initrd.target.wants/dockroot-finish.service -> ../dockroot-finish.service
`;

// bsdcpio -itv, 3.7.4
const SPECIAL = `prw-r--r--   1 root     root            0 Nov 26 08:29 f
crw-r--r--   1 root     root          1,3 Nov 26 08:29 null
`;

t.test("files and links of an image, with the files' sizes", async (t) => {
  t.same(parseListing(LISTING), [
    { path: "early_cpio", sizeBytes: 2 },
    { path: "usr/sbin", sizeBytes: undefined },
    { path: "hooks/dockroot", sizeBytes: 953 },
    { path: "usr/bin/dockroot", sizeBytes: 109710144 },
    {
      path: "usr/lib/modules/6.1.0-50-cloud-amd64/kernel/fs/btrfs/btrfs.ko",
      sizeBytes: 3855041,
    },
    {
      path: "usr/lib/systemd/system/initrd.target.wants/dockroot-finish.service",
      sizeBytes: undefined,
    },
  ]);
});

t.test("what is neither file nor link is left out", async (t) => {
  t.same(parseListing(SPECIAL), []);
});
