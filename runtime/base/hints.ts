import { HelperError, SEE_KERNEL_LOG, systemErrorCode } from "./errors.ts";

/** What the system refuses, as its error code and as helpers print it (errno(3)), and what to do then. */
const REASONS: readonly {
  readonly codes: readonly string[];
  readonly texts: RegExp;
  readonly hint: string;
}[] = [
  {
    codes: ["ENOSPC", "EDQUOT"],
    texts: /No space left on device|quota exceeded/i,
    hint: "The disk is full: delete old generations below .dockroot, or images.",
  },
  {
    // Nothing else is refused to root on a filesystem that can be written.
    codes: ["EPERM"],
    texts: /Operation not permitted/,
    hint: "A file or directory there may be immutable or append-only, which lsattr -d shows: clear that with chattr -i -a.",
  },
  {
    codes: ["EACCES"],
    texts: /permission denied/i,
    hint: "Run dockroot as root. Where root is refused, a security module (SELinux, AppArmor) does it.",
  },
  {
    codes: ["EROFS"],
    texts: /Read-only file system/,
    hint: "The filesystem is read-only: mounted so, write-protected, or after an error that the kernel found (dmesg | tail).",
  },
  {
    codes: ["EIO", "EUCLEAN", "ENXIO", "EBADMSG"],
    texts: /Input\/output error|Structure needs cleaning|Bad message/,
    hint: "The disk or its filesystem has errors, which the kernel log names: dmesg | tail.",
  },
  {
    codes: ["ETXTBSY"],
    texts: /Text file busy/,
    hint: "A swap file there is in use: swapon --show lists it, swapoff ends that. Keep swap files out of the root.",
  },
  {
    codes: ["EBUSY"],
    texts: /(?:resource|target is) busy/,
    hint: "A process or a mount still uses it: fuser -vm, or findmnt, names it.",
  },
  {
    codes: ["EFBIG"],
    texts: /File too large/,
    hint: "Lift the limit on the size of files: ulimit -f unlimited.",
  },
  {
    codes: ["EMFILE", "ENFILE"],
    texts: /Too many open files/,
    hint: "Raise the limit on open files: ulimit -n.",
  },
  {
    codes: ["ENOEXEC"],
    texts: /Exec format error/,
    hint: "The program is damaged, or made for another architecture: install it again, and rebuild the initramfs.",
  },
  {
    codes: ["ENOMEM"],
    texts: /Cannot allocate memory/,
    hint: "The memory is full: end other programs, or add some.",
  },
  {
    codes: ["ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG"],
    texts: /No such file or directory|File exists|[Nn]ot a directory/,
    hint: "See with ls -l what stands there: it is missing, in the way, or not what it should be.",
  },
];

/** The hint for a failure of a helper or a system call: by its reason, where that is known. */
export function hintFor(cause: unknown): string {
  const isHelper = cause instanceof HelperError;
  if (isHelper && cause.kind === "missing") {
    return "Install it in the image (Debian: btrfs-progs, util-linux, coreutils) and rebuild the initramfs.";
  }
  if (isHelper && cause.kind === "timeout") {
    return "The disk may be failing: dmesg | tail. One that is only slow gets more time with dockroot.timeout=SECONDS.";
  }
  if (isHelper && cause.kind === "output") {
    return "Another program may have that name: see which one runs, and of which version.";
  }
  const refused = isHelper && cause.kind === "start" ? cause.cause : cause;
  const code = systemErrorCode(refused) ?? "";
  const reason = REASONS.find(
    ({ codes, texts }) =>
      codes.includes(code) ||
      // The names of files stand in quotes before it.
      (isHelper && texts.test(cause.message.replace(/(['"]).*?\1/g, ""))),
  );
  return reason?.hint ?? SEE_KERNEL_LOG;
}
