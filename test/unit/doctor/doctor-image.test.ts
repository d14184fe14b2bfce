import t from "tap";
import { makeKernel } from "../../../fixtures/boot-files.ts";
import { generators } from "../../../installer/generators/choose-generator.ts";
import {
  KERNEL,
  OPTIONS,
  setMenu,
  setOptions,
  type DoctorMachine,
} from "./captured-doctor.ts";
import {
  holdCases,
  lock,
  together,
  type Cases,
  type Change,
} from "./doctor-cases.ts";

const IMAGE: Cases = {
  "no init": ({ image }) => {
    image.remove("usr/sbin/init");
  },
  "no modules": ({ image }) => {
    image.remove(`usr/lib/modules/${KERNEL}`);
  },
  "a kernel without its modules": ({ image }) => {
    image.write("boot/vmlinuz-6.1.0-41-amd64", makeKernel("6.1.0-41-amd64"));
  },
  "no generator": ({ image }) => {
    image.remove("usr/sbin/mkinitramfs");
  },
  "a generator without the hook": ({ image }) => {
    image.remove("etc/initramfs-tools/hooks/dockroot");
  },
  "mkinitcpio with the hook's files, but not in HOOKS": ({ image }) => {
    image.remove("usr/sbin/mkinitramfs");
    addMkinitcpio(image);
  },
  "mkinitcpio, beside a generator that is ready": ({ image }) => {
    addMkinitcpio(image);
  },
};

function addMkinitcpio(image: DoctorMachine["image"]): void {
  image.write("usr/bin/mkinitcpio", "", { mode: 0o755 });
  image.write("etc/mkinitcpio.conf", "HOOKS=(base udev block filesystems)\n");
  for (const { path } of generators.mkinitcpio.files) {
    image.write(path.slice(1));
  }
}

const ROOM: Cases = {
  "50 MB on the disk": ({ free }) => free.set("disk", 50e6),
  "1.5 GB on the disk": ({ free }) => free.set("disk", 1.5e9),
  "200 MB in /boot": ({ free }) => free.set("/boot", 200e6),
  "100 MB in /boot": ({ free }) => free.set("/boot", 100e6),
  "100 MB in /boot, and an initramfs of 37 MB": ({ free, system }) => {
    free.set("/boot", 100e6);
    system.set("boot/initrd.img", { sizeBytes: 37e6 });
  },
  "200 MB in /boot, and an initramfs of 300 MB": ({ free, system }) => {
    free.set("/boot", 200e6);
    system.set("boot/initrd.img", { sizeBytes: 300e6 });
  },
};

const locked = (change: Change) => together(lock, change);

/** Who can log in, where nobody has a password. */
const LOGINS: Cases = {
  "all are locked": lock,
  "all are locked, and there is no top layer": (machine) => {
    const options = OPTIONS.replace(/ toplayer\S*/g, "");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "all are locked, and homes are mounted": locked(({ layer }) => {
    layer.edit(
      "etc/fstab",
      (text) => `${text}LABEL=home /home ext4 defaults 0 2\n`,
    );
  }),
  "a key for ssh": locked(({ layer }) => {
    layer.write(
      "home/alice/.ssh/authorized_keys",
      "# none\nssh-ed25519 AAAA\n",
    );
    layer.write("root/.ssh/authorized_keys", "# none\n");
  }),
  "a password of the image's": ({ image, layer }) => {
    for (const name of ["passwd", "shadow", "group", "gshadow"]) {
      layer.remove(`etc/${name}`);
    }
    image.edit("etc/shadow", (text) =>
      text.replace(/^root:[^:]*/m, "root:$y$j9T$a$b"),
    );
  },
  "an empty password": locked(({ layer }) => {
    layer.edit("etc/shadow", (text) => text.replace(/^alice:[^:]*/m, "alice:"));
  }),
  "an automatic login": locked(({ image }) => {
    image.write("etc/gdm3/daemon.conf", "[daemon]\nAutomaticLogin = alice\n");
  }),
  "users from elsewhere": locked(({ image }) => {
    image.write("etc/nsswitch.conf", "passwd: files sss systemd\n");
  }),
  "there is no /etc/passwd": ({ image, layer }) => {
    image.remove("etc/passwd");
    layer.remove("etc/passwd");
  },
  "passwd is a FIFO": ({ layer }) => {
    layer.remove("etc/passwd");
    layer.fifo("etc/passwd");
  },
};

await holdCases(t, "image.txt", {
  "the image": [IMAGE],
  "room on the disk and on boot partitions": [ROOM],
  "who can log in": [LOGINS],
});
