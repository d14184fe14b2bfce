import t from "tap";
import {
  type MenuEntry,
  pathOnVolume,
  isForDockroot,
} from "../../../installer/loaders/formats/boot-loader.ts";
import { parseGrub } from "../../../installer/loaders/formats/grub.ts";
import {
  parseLimine,
  parseOldLimine,
} from "../../../installer/loaders/formats/limine.ts";
import { parseLoaderEntry } from "../../../installer/loaders/formats/systemd-boot.ts";
import {
  parseRefindLinux,
  parseRefind,
} from "../../../installer/loaders/formats/refind.ts";

const OPTIONS =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=LABEL=linux toplayer_path=boot_docker";

const entry = (
  title: string,
  kernel: string | undefined,
  initrds: readonly string[],
  options: string,
): MenuEntry => ({ title, kernel, initrds, options });

t.test("rEFInd's stanzas", (t) => {
  for (const [what, text, expected] of [
    [
      "the tutorial's",
      `menuentry archlinux-docker {
icon EFI/refind/icons/os_arch.png
volume linux
loader boot_docker/vmlinuz-linux
initrd boot_docker/initramfs-linux.img
options "${OPTIONS}"
}
`,
      [
        entry(
          "archlinux-docker",
          "boot_docker/vmlinuz-linux",
          ["boot_docker/initramfs-linux.img"],
          OPTIONS,
        ),
      ],
    ],
    [
      "that of rEFInd's own refind.conf-sample, with submenus",
      `timeout 20
#default_selection 1
menuentry "Arch Linux" {
    icon     /EFI/refind/icons/os_arch.png
    volume   "Arch Linux"
    loader   /boot/vmlinuz-linux
    initrd   /boot/initramfs-linux.img
    options  "root=PARTUUID=5028fa50-0079-4c40-b240-abfaf28693ea rw add_efi_memmap"
    submenuentry "Boot using fallback initramfs" {
        initrd /boot/initramfs-linux-fallback.img
    }
    submenuentry "Boot to terminal" {
        add_options "systemd.unit=multi-user.target"
    }
    disabled
}
menuentry "Linux 6.1" {
    loader EFI\\ubuntu\\vmlinuz-6.1
    options "initrd=EFI\\ubuntu\\intel-ucode.img initrd=EFI\\ubuntu\\initrd.img-6.1 ro root=UUID=5f96cafa quiet" # the stub loads them
    submenuentry "single" {
        add_options "single"
    }
    submenuentry "not shown" {
        disabled
    }
}
menuentry "Windows" {
    loader \\EFI\\Microsoft\\Boot\\bootmgfw.efi
}
menuentry nothing {
    icon /x.png
}
include more.conf
`,
      [
        entry(
          "Linux 6.1",
          "EFI\\ubuntu\\vmlinuz-6.1",
          ["EFI\\ubuntu\\intel-ucode.img", "EFI\\ubuntu\\initrd.img-6.1"],
          "initrd=EFI\\ubuntu\\intel-ucode.img initrd=EFI\\ubuntu\\initrd.img-6.1 ro root=UUID=5f96cafa quiet",
        ),
        entry(
          "Linux 6.1 > single",
          "EFI\\ubuntu\\vmlinuz-6.1",
          ["EFI\\ubuntu\\intel-ucode.img", "EFI\\ubuntu\\initrd.img-6.1"],
          "initrd=EFI\\ubuntu\\intel-ucode.img initrd=EFI\\ubuntu\\initrd.img-6.1 ro root=UUID=5f96cafa quiet single",
        ),
        entry("Windows", "\\EFI\\Microsoft\\Boot\\bootmgfw.efi", [], ""),
      ],
    ],
    [
      "a submenu's own initramfs and options, with quotes in them",
      'menuentry "A ""b"" c" {\r\n  loader /k\r\n  initrd /i\r\n  options "root=LABEL=""my disk"""\r\n  submenuentry below {\r\n    initrd /other\r\n    options "single"\r\n  }\r\n}\r\n',
      [
        entry('A "b" c', "/k", ["/i"], 'root=LABEL="my disk"'),
        entry('A "b" c > below', "/k", ["/other"], "single"),
      ],
    ],
    ["an entry that does not end", 'menuentry "x" {\nloader /k\n', []],
    ["nothing", "", []],
  ] as const) {
    t.strictSame(parseRefind(text).entries, expected, what);
  }
  t.strictSame(parseRefind("include a.conf\ninclude b.conf # too\n").includes, [
    ...["a.conf", "b.conf"],
  ]);
  t.end();
});

t.test("refind_linux.conf, whose lines are for each kernel beside it", (t) => {
  t.strictSame(
    parseRefindLinux(
      `"Boot with standard options"  "rw root=UUID=978e3e81 rootfstype=btrfs"
"Boot to single-user mode"    "rw root=UUID=978e3e81 single"
# "Boot with minimal options"   "ro root=/dev/sda3"
"docker"  "${OPTIONS} initrd=\\initramfs-%v.img"
"no options"
`,
      [],
    ),
    [
      entry(
        "Boot with standard options",
        undefined,
        [],
        "rw root=UUID=978e3e81 rootfstype=btrfs",
      ),
      entry(
        "Boot to single-user mode",
        undefined,
        [],
        "rw root=UUID=978e3e81 single",
      ),
      entry(
        "docker",
        undefined,
        ["\\initramfs-%v.img"],
        `${OPTIONS} initrd=\\initramfs-%v.img`,
      ),
    ],
  );
  t.end();
});

t.test("%v in refind_linux.conf is the version of each kernel there", (t) => {
  const [found] = parseRefindLinux(
    `"docker" "${OPTIONS} initrd=\\amd-ucode.img initrd=\\initramfs-%v.img"`,
    [
      "System.map-6.1",
      "initramfs-linux.img",
      "refind_linux.conf",
      "vmlinuz-6.1.0-9-amd64",
      "vmlinuz-6.9.4-200.fc40.x86_64",
      "vmlinuz-linux",
      "vmlinuz-linux-lts",
    ],
  );
  t.strictSame(found?.initrds, [
    "\\amd-ucode.img",
    "\\initramfs-6.1.0-9-amd64.img",
    "\\initramfs-6.9.4-200.fc40.x86_64.img",
    "\\initramfs-linux.img",
    "\\initramfs-linux-lts.img",
  ]);
  t.end();
});

t.test("systemd-boot's entries", (t) => {
  for (const [what, name, text, expected] of [
    [
      "as the ArchWiki has it",
      "arch.conf",
      `title   Arch Linux
linux   /vmlinuz-linux
initrd  /amd-ucode.img
initrd  /initramfs-linux.img
options root="LABEL=arch_os" rw
`,
      entry(
        "Arch Linux",
        "/vmlinuz-linux",
        ["/amd-ucode.img", "/initramfs-linux.img"],
        'root="LABEL=arch_os" rw',
      ),
    ],
    [
      "as kernel-install writes it, boots counted",
      "6a9857a393724b7a981ebb5b8495b9ea-6.9.4-200.fc40.x86_64+3.conf",
      `# Boot Loader Specification type#1 entry
# File created by /usr/lib/kernel/install.d/90-loaderentry.install (systemd 255.7-1.fc40)
title      Fedora Linux 40 (Workstation Edition)
version    6.9.4-200.fc40.x86_64
machine-id 6a9857a393724b7a981ebb5b8495b9ea
sort-key   fedora
options    root=UUID=4c1b rhgb quiet
options    ${OPTIONS}
linux      /6a9857a393724b7a981ebb5b8495b9ea/6.9.4-200.fc40.x86_64/linux
initrd     /6a9857a393724b7a981ebb5b8495b9ea/6.9.4-200.fc40.x86_64/initrd
`,
      entry(
        "Fedora Linux 40 (Workstation Edition) (6.9.4-200.fc40.x86_64)",
        "/6a9857a393724b7a981ebb5b8495b9ea/6.9.4-200.fc40.x86_64/linux",
        ["/6a9857a393724b7a981ebb5b8495b9ea/6.9.4-200.fc40.x86_64/initrd"],
        `root=UUID=4c1b rhgb quiet ${OPTIONS}`,
      ),
    ],
    [
      "without a title",
      "docker+2-1.conf",
      `linux\t/vmlinuz\ninitrd\t/initrd.img\t\noptions ${OPTIONS}\r\n`,
      entry("docker", "/vmlinuz", ["/initrd.img"], OPTIONS),
    ],
    [
      "several in a line, and blanks in a name",
      "x.conf",
      "linux /my kernel\ninitrd /ucode.img /initrd.img\ninitrd /my files/initrd\n",
      entry(
        "x",
        "/my kernel",
        ["/ucode.img", "/initrd.img", "/my files/initrd"],
        "",
      ),
    ],
    [
      "for GRUB, where Fedora has tuned",
      "fedora.conf",
      `linux /vmlinuz-6.9\ninitrd /initramfs-6.9.img $tuned_initrd\noptions ${OPTIONS}\n`,
      entry("fedora", "/vmlinuz-6.9", ["/initramfs-6.9.img"], OPTIONS),
    ],
    [
      "an EFI program",
      "shell.conf",
      "title Shell\nefi /shellx64.efi\n",
      undefined,
    ],
  ] as const) {
    t.strictSame(parseLoaderEntry(name, text), expected, what);
  }
  t.end();
});

/** As grub-mkconfig of Debian 12 writes it. */
const DEBIAN = `#
# DO NOT EDIT THIS FILE
#
### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
else
   set default="0"
fi
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
    save_env saved_entry
  fi
}
### END /etc/grub.d/00_header ###
### BEGIN /etc/grub.d/10_linux ###
function gfxmode {
	set gfxpayload="\${1}"
}
set linux_gfx_mode=
export linux_gfx_mode
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option 'gnulinux-simple-2b5f' {
	load_video
	insmod gzio
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	insmod part_gpt
	insmod btrfs
	set root='hd0,gpt2'
	if [ x$feature_platform_search_hint = xy ]; then
	  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2  2b5f
	else
	  search --no-floppy --fs-uuid --set=root 2b5f
	fi
	echo	'Loading Linux 6.1.0-23-amd64 ...'
	linux	/@rootfs/boot/vmlinuz-6.1.0-23-amd64 root=UUID=2b5f ro rootflags=subvol=@rootfs  quiet
	echo	'Loading initial ramdisk ...'
	initrd	/@rootfs/boot/initrd.img-6.1.0-23-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-2b5f' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-23-amd64 (recovery mode)' --class debian $menuentry_id_option 'gnulinux-6.1.0-23-amd64-recovery-2b5f' {
		linux	/@rootfs/boot/vmlinuz-6.1.0-23-amd64 root=UUID=2b5f ro single 
		initrd	/intel-ucode.img /@rootfs/boot/initrd.img-6.1.0-23-amd64
	}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_uefi-firmware ###
if [ "$grub_platform" = "efi" ]; then
	menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
		fwsetup
	}
fi
### END /etc/grub.d/30_uefi-firmware ###
`;

t.test("GRUB's menus", (t) => {
  for (const [what, text, expected] of [
    [
      "as grub-mkconfig writes them",
      DEBIAN,
      [
        entry(
          "Debian GNU/Linux",
          "/@rootfs/boot/vmlinuz-6.1.0-23-amd64",
          ["/@rootfs/boot/initrd.img-6.1.0-23-amd64"],
          "root=UUID=2b5f ro rootflags=subvol=@rootfs quiet",
        ),
        entry(
          "Advanced options for Debian GNU/Linux > Debian GNU/Linux, with Linux 6.1.0-23-amd64 (recovery mode)",
          "/@rootfs/boot/vmlinuz-6.1.0-23-amd64",
          ["/intel-ucode.img", "/@rootfs/boot/initrd.img-6.1.0-23-amd64"],
          "root=UUID=2b5f ro single",
        ),
      ],
    ],
    [
      "an own entry in 40_custom, its title quoted in another way",
      `#!/bin/sh
exec tail -n +3 $0
# This file provides an easy way to add custom menu entries.
menuentry "docker's root" --id docker {
  search --set=root --label linux
  linux /boot_docker/vmlinuz ${OPTIONS} # of the image
  initrd /boot_docker/initrd.img
}
`,
      [
        entry(
          "docker's root",
          "/boot_docker/vmlinuz",
          ["/boot_docker/initrd.img"],
          OPTIONS,
        ),
      ],
    ],
    [
      "variables, quotes, blanks and continued lines",
      `set opts="root=LABEL=linux rw"
set dir=/boot_docker
menuentry A {
  linux ($root)$dir/vmlinuz \${dir}x "toplayer_path=my files" 'a=b c' \\
    x\\ y $unset q="r"
  initrd $dir/initrd.img
}`,
      [
        entry(
          "A",
          "($root)/boot_docker/vmlinuz",
          ["/boot_docker/initrd.img"],
          '/boot_dockerx "toplayer_path=my files" "a=b c" "x y" $unset q=r',
        ),
      ],
    ],
    [
      "on one line, the brace on the next, and other names of the commands",
      "menuentry one { linuxefi /k a=b; initrdefi /i }\nmenuentry 'two'\n{\n linux16 /k2\n}\n",
      [entry("one", "/k", ["/i"], "a=b"), entry("two", "/k2", [], "")],
    ],
    [
      "an entry that does not end",
      "menuentry 'x' {\n linux /k 'a\n initrd /i\n}\n",
      [],
    ],
    [
      "braces that are none",
      "menuentry a{b {\n linux /k {x} y}\n}\n",
      [entry("a{b", "/k", [], "{x} y}")],
    ],
  ] as const) {
    t.strictSame(parseGrub(text), expected, what);
  }
  t.end();
});

t.test("Limine's menus, new and old", (t) => {
  t.strictSame(
    parseLimine(`timeout: 5
# as the ArchWiki has it
/Arch Linux
    protocol: linux
    path: boot():/vmlinuz-linux
    cmdline: root=UUID=xxxxxxxx rw
    module_path: boot():/initramfs-linux.img

/+More
//Docker
    comment: an image
    PROTOCOL: linux
    kernel_path: fslabel(linux):/boot_docker/vmlinuz#${"ab".repeat(64)}
    module_path: boot():/amd-ucode.img
    module_path: fslabel(linux):/boot_docker/initrd.img
    kernel_cmdline: ${OPTIONS}
//Windows
    protocol: efi
    path: boot():/EFI/Microsoft/Boot/bootmgfw.efi
\${ROOT}=LABEL=linux
/Macro
    protocol: linux
    path: boot():/k
    cmdline: root=\${ROOT} \${NONE}
`),
    [
      entry(
        "Arch Linux",
        "boot():/vmlinuz-linux",
        ["boot():/initramfs-linux.img"],
        "root=UUID=xxxxxxxx rw",
      ),
      entry(
        "More > Docker",
        `fslabel(linux):/boot_docker/vmlinuz#${"ab".repeat(64)}`,
        ["boot():/amd-ucode.img", "fslabel(linux):/boot_docker/initrd.img"],
        OPTIONS,
      ),
      entry("Macro", "boot():/k", [], "root=LABEL=linux ${NONE}"),
    ],
  );
  t.strictSame(
    parseOldLimine(`TIMEOUT=5
:Arch Linux
    PROTOCOL=linux
    KERNEL_PATH=boot:///vmlinuz-linux
    CMDLINE=root=UUID=xxxxxxxx-xxxx rw
    MODULE_PATH=boot:///initramfs-linux.img
:+More
::Docker
KERNEL_CMDLINE=${OPTIONS}
PROTOCOL=linux
KERNEL_PATH=fslabel://linux/boot_docker/vmlinuz
:Chain
PROTOCOL=chainload
`),
    [
      entry(
        "Arch Linux",
        "boot:///vmlinuz-linux",
        ["boot:///initramfs-linux.img"],
        "root=UUID=xxxxxxxx-xxxx rw",
      ),
      entry(
        "More > Docker",
        "fslabel://linux/boot_docker/vmlinuz",
        [],
        OPTIONS,
      ),
    ],
  );
  t.end();
});

t.test("a file's path, without its volume", (t) => {
  for (const [named, path] of [
    ["boot_docker/vmlinuz", "/boot_docker/vmlinuz"],
    ["\\EFI\\arch\\vmlinuz", "/EFI/arch/vmlinuz"],
    ["//vmlinuz", "/vmlinuz"],
    ["(hd0,gpt2)/vmlinuz", "/vmlinuz"],
    ["($root)/@/boot/vmlinuz", "/@/boot/vmlinuz"],
    ["boot():/vmlinuz", "/vmlinuz"],
    ["boot(2):/vmlinuz", "/vmlinuz"],
    ["guid(0b0d8c8c-9a1c-4b7e-8b0e-0f5f3f0b0d8c):/a/b", "/a/b"],
    [`fslabel(my disk):/a#${"0".repeat(128)}`, "/a"],
    ["boot:///vmlinuz", "/vmlinuz"],
    ["hdd://1:2/vmlinuz", "/vmlinuz"],
    ["$boot():/vmlinuz.gz", "/vmlinuz.gz"],
  ] as const) {
    t.equal(pathOnVolume(named), path, named);
  }
  t.end();
});

t.test("which entries boot an image", (t) => {
  for (const options of [
    OPTIONS,
    "root=LABEL=linux docker_image=system:1",
    "dockroot.fallback=none",
    "dockroot.generation=2 quiet",
    "root=UUID=x rootflags=noatime,subvol=/docker_rwlayer",
    "rootflags=subvol=.dockroot/docker_rwlayer/generations/3",
  ]) {
    t.ok(isForDockroot(options), options);
  }
  for (const options of [
    "",
    "root=UUID=x ro quiet",
    "rootflags=subvol=@ systemd.unit=docker_path=x",
    "-- docker_path=docker",
  ]) {
    t.notOk(isForDockroot(options), options);
  }
  t.ok(isForDockroot("rootflags=subvol=next", ["next"]));
  t.end();
});

t.test("a file that is no menu is passed over, whatever its length", (t) => {
  const blanks = " ".repeat(2 ** 20);
  const title = `title a${blanks}b\nlinux /vmlinuz${blanks}\n`;
  t.match(parseLoaderEntry("a.conf", title), { kernel: "/vmlinuz" });
  const limine = `/a${blanks}b\n  protocol: linux\n  path:${blanks}x${blanks}y\n`;
  t.match(parseLimine(limine), [{ kernel: `x${blanks}y` }]);
  t.match(parseOldLimine(`$\{A}=${blanks}x${blanks}y\n:a${blanks}b\n`), []);
  t.strictSame(parseGrub("{\n".repeat(2 ** 20)), []);
  const many = `$\{A}=${"x".repeat(2 ** 16)}\n/a\nprotocol: linux\npath: ${"${A}".repeat(2 ** 16)}\n`;
  t.equal(parseLimine(many).length, 1);
  t.end();
});
