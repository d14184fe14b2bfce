export interface Case {
  readonly name: string;
  /** /etc/mkinitcpio.conf and its drop-ins, in order. */
  readonly files: readonly string[];
  /** The hook that dockroot comes after. */
  readonly after?: string;
  /** The name that is there already, and stays. */
  readonly keepsPlace?: "dockroot" | "docker-btrfs";
}

const SYSTEMD =
  "base systemd autodetect microcode modconf kms keyboard sd-vconsole block filesystems fsck";
const UDEV =
  "base udev autodetect microcode modconf kms keyboard keymap consolefont block filesystems fsck";

/** The beginning of the file that the package brings: what looks like HOOKS is a comment. */
const PACKAGED = `# vim:set ft=sh:
# MODULES
#     MODULES=(usbhid xhci_hcd)
MODULES=()

# BINARIES
BINARIES=()

# FILES
FILES=()

# HOOKS
# This is the most important setting in this file.  The HOOKS control the
# modules and scripts added to the image, and what happens at boot time.
##   No RAID, lvm2, or encrypted root is needed.
#    HOOKS=(base)
#
##   This setup loads an lvm2 volume group.
#    HOOKS=(base udev microcode modconf block lvm2 filesystems fsck)
`;
const PACKAGED_END = `
# COMPRESSION
#COMPRESSION="zstd"
#COMPRESSION_OPTIONS=()
`;
const packaged = (line: string) => `${PACKAGED}${line}\n${PACKAGED_END}`;
const array = (hooks: string) => packaged(`HOOKS=(${hooks})`);
const text = (hooks: string) => packaged(`HOOKS="${hooks}"`);

/** What is found on machines of Arch Linux and of those made from it. */
const found: readonly Case[] = [
  {
    name: "Arch Linux since mkinitcpio 40",
    files: [array(SYSTEMD)],
    after: "fsck",
  },
  {
    name: "Arch Linux until mkinitcpio 39",
    files: [array(UDEV)],
    after: "fsck",
  },
  {
    name: "Arch Linux of 2017, when HOOKS was a text",
    files: [
      text("base udev autodetect modconf block filesystems keyboard fsck"),
    ],
    after: "fsck",
  },
  {
    name: "Arch Linux of 2018, the first with an array",
    files: [
      array("base udev autodetect modconf block filesystems keyboard fsck"),
    ],
    after: "fsck",
  },
  {
    name: "archinstall with an encrypted root",
    files: [
      array(
        "base udev autodetect microcode modconf kms keyboard keymap consolefont block encrypt filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "archinstall with LVM on an encrypted disk and hibernation",
    files: [
      array(
        "base systemd autodetect microcode modconf kms keyboard sd-vconsole block sd-encrypt lvm2 resume filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "archinstall without fsck, for btrfs",
    files: [
      array(
        "base systemd autodetect microcode modconf kms keyboard sd-vconsole sd-encrypt block filesystems",
      ),
    ],
    after: "filesystems",
  },
  {
    name: "LVM and encrypt in the wiki's order",
    files: [
      array(
        "base udev autodetect microcode modconf kms keyboard keymap consolefont block encrypt lvm2 filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "a RAID of mdadm",
    files: [
      array(
        "base udev autodetect microcode modconf kms keyboard keymap consolefont block mdadm_udev filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "resume at the end, as many add it",
    files: [array(`${UDEV} resume`)],
    after: "resume",
  },
  {
    name: "btrfs on several devices",
    files: [array("base udev autodetect modconf block btrfs filesystems")],
    after: "filesystems",
  },
  {
    name: "a key typed over the network",
    files: [
      array(
        "base udev autodetect modconf block keyboard keymap netconf dropbear encryptssh filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "plymouth with systemd",
    files: [
      array(
        "base systemd plymouth autodetect microcode modconf kms keyboard sd-vconsole block sd-encrypt filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "/usr on a filesystem of its own, and shutdown",
    files: [
      array("base udev modconf block filesystems keyboard fsck usr shutdown"),
    ],
    after: "shutdown",
  },
  {
    name: "strip at the end",
    files: [array(`${UDEV} strip`)],
    after: "fsck",
  },
  {
    name: "Manjaro",
    files: [
      array(
        "base udev autodetect kms modconf block keyboard keymap consolefont plymouth filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "Manjaro's installer with an encrypted disk: a text with resume",
    files: [
      text(
        "base udev autodetect modconf block keyboard keymap plymouth encrypt openswap resume filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "EndeavourOS with mkinitcpio",
    files: [
      array(
        "base systemd autodetect microcode modconf kms keyboard keymap sd-vconsole block filesystems fsck",
      ),
    ],
    after: "fsck",
  },
  {
    name: "CachyOS",
    files: [
      array(
        "base systemd autodetect microcode kms modconf block keyboard sd-vconsole plymouth sd-encrypt filesystems",
      ),
    ],
    after: "filesystems",
  },
  {
    name: "Garuda, with snapshots that boot from GRUB",
    files: [
      array(
        "base systemd autodetect modconf block keyboard sd-vconsole plymouth filesystems grub-btrfs-overlayfs",
      ),
    ],
    after: "grub-btrfs-overlayfs",
  },
  {
    name: "Omarchy: a drop-in has all of HOOKS",
    files: [
      array(SYSTEMD),
      "HOOKS=(base udev plymouth keyboard autodetect microcode modconf kms keymap consolefont block encrypt filesystems fsck btrfs-overlayfs)\n",
    ],
    after: "btrfs-overlayfs",
  },
  {
    name: "a drop-in adds resume",
    files: [array(UDEV), "# hibernation\nHOOKS+=(resume)\n"],
    after: "resume",
  },
  {
    name: "a drop-in adds strip",
    files: [array(UDEV), "HOOKS+=(strip)\n"],
    after: "fsck",
  },
  {
    name: "drop-ins about other things",
    files: [
      array(SYSTEMD),
      "MODULES+=(nvidia nvidia_modeset)\n",
      'COMPRESSION="lz4"\nCOMPRESSION_OPTIONS=(-9)\n',
    ],
    after: "fsck",
  },
  {
    name: "the tutorial's Dockerfile, which appends docker-btrfs",
    files: [
      array(
        "base udev autodetect modconf block filesystems keyboard fsck docker-btrfs",
      ),
    ],
    keepsPlace: "docker-btrfs",
  },
  {
    name: "the tutorial's line where strip is at the end",
    files: [array(`${UDEV} strip docker-btrfs`)],
    keepsPlace: "docker-btrfs",
  },
];

/** What people write. */
const written: readonly Case[] = [
  {
    name: "one hook a line",
    files: [
      "HOOKS=(\n    base\n    udev\n    block\n    encrypt\n    filesystems\n)\nMODULES=()\n",
    ],
    after: "filesystems",
  },
  {
    name: "one hook a line, indented with tabs, strip at the end",
    files: ["HOOKS=(\n\tbase\n\tudev\n\tblock\n\tfsck\n\tstrip\n)\n"],
    after: "fsck",
  },
  {
    name: "one hook a line, with comments",
    files: [
      "HOOKS=(\n  base # always\n  udev\n  # encrypt\n  block # disks\n  fsck  # dockroot would be here\n)\n",
    ],
    after: "fsck",
  },
  {
    name: "one hook a line, the parenthesis beside the last",
    files: ["HOOKS=(base\n       udev\n       block\n       fsck)\n"],
    after: "fsck",
  },
  {
    name: "a few hooks a line",
    files: [
      "HOOKS=(base udev autodetect\n  modconf block   # disks\n  filesystems fsck )\n",
    ],
    after: "fsck",
  },
  {
    name: "backslashes at the ends of lines in an array",
    files: ["HOOKS=(base udev \\\n  block \\\n  filesystems \\\n)\n"],
    after: "filesystems",
  },
  {
    name: "backslashes at the ends of lines in a text",
    files: ['HOOKS="base udev \\\nblock filesystems \\\nfsck"\n'],
    after: "fsck",
  },
  {
    name: "a text over two lines, of which mkinitcpio reads the first",
    files: ['HOOKS="base udev block\nfilesystems fsck"\n'],
    after: "block",
  },
  {
    name: "single quotes",
    files: ["HOOKS='base udev block filesystems fsck'\n"],
    after: "fsck",
  },
  {
    name: "blanks within the quotes",
    files: ['HOOKS="  base  udev block filesystems   "\n'],
    after: "filesystems",
  },
  {
    name: "every word in quotes",
    files: [`HOOKS=("base" 'udev' "block" 'filesystems' "fsck")\n`],
    after: "fsck",
  },
  {
    name: "quotes in the middle, and a text of pieces",
    files: [`HOOKS="base udev "'block'" fsck"\n`],
    after: "fsck",
  },
  {
    name: "a text without quotes",
    files: ["HOOKS=base\\ udev\\ block\n"],
    after: "block",
  },
  {
    name: "blanks before the line and within the parentheses",
    files: ["  HOOKS=( base udev block fsck )  # mine\n"],
    after: "fsck",
  },
  {
    name: "tabs between the hooks",
    files: ["HOOKS=(base\tudev\tblock\tfsck\t)\n"],
    after: "fsck",
  },
  {
    name: "export",
    files: ['export HOOKS="base udev block filesystems fsck"\n'],
    after: "fsck",
  },
  {
    name: "declare -a",
    files: ["declare -a HOOKS=(base udev block filesystems fsck)\n"],
    after: "fsck",
  },
  {
    name: "assigned twice: the last counts",
    files: [
      "HOOKS=(base udev block dockroot)\nHOOKS=(base systemd block filesystems)\n",
    ],
    after: "filesystems",
  },
  {
    name: "assigned twice in one line",
    files: ["HOOKS=(base); HOOKS=(base udev block)\n"],
    after: "block",
  },
  {
    name: "a former line as a comment",
    files: [
      "HOOKS=(base udev block filesystems)\n#HOOKS=(base udev block encrypt dockroot filesystems)\n",
    ],
    after: "filesystems",
  },
  {
    name: "built up from three lines",
    files: [
      "HOOKS=(base udev)\nHOOKS+=(autodetect modconf block)\nHOOKS+=(filesystems fsck)\n",
    ],
    after: "fsck",
  },
  {
    name: "a text that is built up",
    files: ['HOOKS="base udev block"\nHOOKS+=" filesystems"\n'],
    after: "filesystems",
  },
  {
    name: "no newline at the end",
    files: ["HOOKS=(base udev block filesystems)"],
    after: "filesystems",
  },
  {
    name: "no newline at the end, and a drop-in: mkinitcpio puts them together",
    files: ["HOOKS=(base udev block)", "\nMODULES=(btrfs)\n"],
    after: "block",
  },
  {
    name: "other settings that look alike",
    files: [
      "EARLYHOOKS=(a b)\nMY_HOOKS=(dockroot)\nHOOKS_OLD='base dockroot'\nHOOKS=(base udev block)\n",
    ],
    after: "block",
  },
  {
    name: "code that is about other things",
    files: [
      `if [[ -e /etc/vconsole.conf ]]; then MODULES+=(i915); fi
case "$(uname -m)" in x86_64) FILES=(/a) ;; (*) FILES=() ;; esac
note() { echo "HOOKS=(\${HOOKS[*]})"; }
cat <<'end' >/dev/null
HOOKS=(base dockroot)
end
HOOKS=(base udev block) # "quotes' in a comment
BINARIES=("\${HOOKS[@]/*/}") || true
`.replace('note() { echo "HOOKS=(${HOOKS[*]})"; }\n', ""),
    ],
    after: "block",
  },
  {
    name: "set under a condition, and then for good",
    files: [
      "if [ -e /x ]; then HOOKS=(base dockroot); fi\nHOOKS=(base systemd block)\n",
    ],
    after: "block",
  },
  {
    name: "taken back and written anew",
    files: ["HOOKS=(base dockroot)\nunset HOOKS\nHOOKS='base udev block'\n"],
    after: "block",
  },
  {
    name: "dockroot is there, written by hand",
    files: ["HOOKS=(base udev block dockroot filesystems fsck)\n"],
    keepsPlace: "dockroot",
  },
  {
    name: "dockroot is there, in a line of its own after what only bash can tell",
    files: ["HOOKS=(base $(cat /dev/null) udev)\nHOOKS+=(dockroot)\n"],
    keepsPlace: "dockroot",
  },
];

export const configurations: readonly Case[] = [...found, ...written];
