import t from "tap";
import {
  makeCpio,
  makeKernel,
  type InitramfsFiles,
} from "../../../fixtures/boot-files.ts";
import { makeUki } from "../../../fixtures/uki.ts";
import {
  addGeneration,
  INITRAMFS,
  KERNEL,
  OPTIONS,
  setInitramfs,
  setMenu,
  setOptions,
  type DoctorMachine,
} from "./captured-doctor.ts";
import {
  holdCases,
  together,
  withoutBoot,
  withoutEntry,
  type Cases,
} from "./doctor-cases.ts";

const MICROCODE = makeCpio({
  "kernel/x86/microcode/AuthenticAMD.bin": "microcode",
});

/** The machine's only entry that boots an image. */
function addUki(machine: DoctorMachine, initramfs: InitramfsFiles): void {
  withoutEntry(machine);
  const sections = {
    ".cmdline": OPTIONS,
    ".uname": KERNEL,
    ".linux": makeKernel(KERNEL),
    ".initrd": makeCpio(initramfs),
  };
  machine.system.write("boot/EFI/Linux/debian.efi", makeUki(sections));
}

const ENTRIES: Cases = {
  "the kernel is gone": ({ system }) => {
    system.remove("boot/vmlinuz");
  },
  "the kernel's file is no kernel": ({ system }) => {
    system.write("boot/vmlinuz", "not a kernel");
  },
  "the kernel is not the image's": ({ system }) => {
    system.write("boot/vmlinuz", makeKernel("6.1.0-41-amd64"));
  },
  "microcode before the initramfs": (machine) => {
    machine.system.write("boot/amd-ucode.img", MICROCODE);
    setMenu(machine, { initrd: "/amd-ucode.img /initrd.img" });
  },
  "microcode alone": (machine) => {
    machine.system.write("boot/amd-ucode.img", MICROCODE);
    setMenu(machine, { initrd: "/amd-ucode.img" });
  },
  "an initramfs that nothing can read": ({ system }) => {
    system.write("boot/initrd.img", "not an initramfs");
  },
  "an initramfs without modules": (machine) => {
    setInitramfs(machine, {
      [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: undefined,
    });
  },
  "an initramfs for another kernel": (machine) => {
    setInitramfs(machine, {
      [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: undefined,
      "usr/lib/modules/6.1.0-41-amd64/kernel/fs/btrfs/btrfs.ko": "module",
    });
  },
  "an initramfs without dockroot": (machine) => {
    setInitramfs(machine, { "usr/bin/dockroot": undefined });
  },
  "an initramfs without programs": (machine) => {
    setInitramfs(machine, {
      "usr/lib/dockroot/bin/btrfs": undefined,
      "usr/lib/dockroot/bin/cp": undefined,
    });
  },
  "the initramfs is gone": ({ system }) => {
    system.remove("boot/initrd.img");
  },
  "an entry without an initramfs": (machine) => {
    setMenu(machine, { initrd: "" });
  },
  "rEFInd looks for kernel and initramfs itself": (machine) => {
    withoutEntry(machine);
    machine.system.write("boot/refind_linux.conf", `"docker" "${OPTIONS}"\n`);
  },
  "systemd-boot reads one partition": (machine) => {
    withoutEntry(machine);
    machine.system.write(
      "boot/loader/entries/docker.conf",
      `title docker\nlinux /gone\ninitrd /gone.img\noptions ${OPTIONS}\n`,
    );
  },
  "no entry is known, and another kernel runs": together(
    withoutEntry,
    ({ system }) => {
      system.write("proc/sys/kernel/osrelease", "6.1.0-41-amd64\n");
    },
  ),
  "an entry is known, and another kernel runs": ({ system }) => {
    system.write("proc/sys/kernel/osrelease", "6.1.0-41-amd64\n");
  },
  "a menu that cannot be read, and an entry that is not in it yet": (
    machine,
  ) => {
    machine.system.fifo("boot/limine.conf");
    machine.system.write(
      "etc/grub.d/40_custom",
      `#!/bin/sh\nexec tail -n +3 $0\nmenuentry 'next' {\n linux /vmlinuz ${OPTIONS}\n initrd /initrd.img\n}\n`,
    );
  },
  "no entry boots an image": withoutBoot,
  "this boot's entry is not in the menu": (machine) => {
    setMenu(machine, { options: "root=/dev/vda3 ro quiet" });
  },
  "a unified kernel image with dockroot": (machine) => {
    addUki(machine, INITRAMFS);
  },
  "a unified kernel image without dockroot": (machine) => {
    addUki(machine, { init: "#!/bin/sh\n" });
  },
};

const OPTION: Cases = {
  "only the initramfs can tell which image": (machine) => {
    const options = OPTIONS.replace("docker_image=one:1", "");
    machine.system.remove("etc/dockroot.json");
    machine.system.remove("boot/initrd.img");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "an option that is not valid": (machine) => {
    setMenu(machine, { options: `${OPTIONS} docker_tag=2` });
  },
  "rw is missing, another option is given twice": (machine) => {
    setMenu(machine, {
      options: `docker_path=other ${OPTIONS.replace(" rw ", " ")}`,
    });
  },
  "the configuration is not valid": ({ system }) => {
    system.write("etc/dockroot.json", "{");
  },
  "the configuration has a key that is not known": ({ system }) => {
    system.write("etc/dockroot.json", '{ "docker_imaeg": "one" }');
  },
  "a former root": (machine) => {
    const root = ".dockroot/docker_rwlayer/generations/3";
    addGeneration(machine, root);
    const options = OPTIONS.replace("subvol=docker_rwlayer", `subvol=${root}`);
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "an earlier root, and no driver is named": (machine) => {
    const root = ".dockroot/docker_rwlayer/generations/3";
    addGeneration(machine, root);
    machine.system.remove("etc/docker/daemon.json");
    const options = OPTIONS.replace("subvol=docker_rwlayer", `subvol=${root}`);
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "a program is too old, another is absent": ({ versions }) => {
    versions.cp = "cp (GNU coreutils) 8.1\n";
    versions.flock = undefined;
    versions.cat =
      "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.\n";
  },
  "the program btrfs is absent": ({ versions }) => {
    versions.btrfs = undefined;
  },
  "the same where no image boots": together(withoutBoot, ({ versions }) => {
    versions.cp = "cp (GNU coreutils) 8.1\n";
  }),
};

/** An image in the making: the system here is the captured image. */
const ELSEWHERE: Cases = {
  "a container": ({ system }) => {
    system.remove("proc/self/ns/pid");
  },
  "a container without the program btrfs": (machine) => {
    machine.system.remove("proc/self/ns/pid");
    machine.versions.btrfs = undefined;
    setInitramfs(machine, { "usr/lib/dockroot/bin/btrfs": undefined });
  },
};

await holdCases(t, "entries.txt", {
  "kernel and initramfs of an entry": [ENTRIES],
  "options, configuration, programs": [OPTION],
  "not the running system": [ELSEWHERE],
});
