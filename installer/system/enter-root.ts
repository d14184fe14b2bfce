import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  BootError,
  UsageError,
  HelperError,
} from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { HELPER_PATH } from "../../runtime/host/process.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { holdSignals } from "./hold-signals.ts";
import { requireSystem, treeHost } from "./tree-host.ts";

/**
 * Everything that is mounted here goes with the process. The executable is brought along: that it
 * runs there shows that it would run in an initramfs made there. The programs of that system get a
 * /dev without the disks of this machine, and no privileges that root here does not have. Should this
 * process be killed, the one in there gets SIGTERM, and takes back what is half done.
 */
const ENTER = `
root=$1 executable=$2
shift 2
trap 'exit 125' EXIT
mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  : >"$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/\${number%:*}" "$root/dev/\${number#*:}"
done
for name in proc sys; do
  mount --rbind "/$name" "$root/$name"
done
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
: >"$root/run/dockroot"
mount --bind "$executable" "$root/run/dockroot"
trap - EXIT
exec setpriv --no-new-privs --pdeathsig TERM -- chroot "$root" /run/dockroot "$@"
`;

/**
 * The same for a system that is to boot on this machine, with a root that is found where its filesystem is, and with
 * this machine's devices: a generator looks for the drivers of both. What runs there ends with the
 * shell, which is the init of its processes.
 */
const ENTER_ON_MACHINE = `
root=$1
shift
mount --bind "$root" "$root"
for name in dev sys; do
  mount --rbind "/$name" "$root/$name"
done
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
if [ -d /run/udev ]; then
  mkdir "$root/run/udev"
  mount --bind /run/udev "$root/run/udev"
fi
setpriv --no-new-privs -- chroot "$root" "$@"
exit
`;

/** What ENTER answers where it could not mount something. */
const NOT_MOUNTED = 125;

/** What a shell answers where it, or chroot, could not start the program. */
const NOT_STARTED = [126, 127];

/**
 * Runs this very command with a directory for its root, as arch-chroot(8) would.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function enterRoot(
  directory: string,
  { argv, executable, host }: CliContext,
): Promise<number> {
  if (executable === undefined) {
    throw new UsageError("--root needs the built executable");
  }
  const root = requireSystem(host, directory);
  await requireEntry(host, root);
  const status = await holdSignals(async (interruption) => {
    const child = spawn(
      "unshare",
      [
        "--mount",
        "--propagation",
        "private",
        "--",
        "sh",
        "-ec",
        ENTER,
        ...["sh", root, executable, ...withoutRoot(argv)],
      ],
      { stdio: "inherit", env: { PATH: HELPER_PATH, LC_ALL: "C" } },
    );
    interruption.addEventListener("abort", () => child.kill("SIGTERM"));
    const [code] = (await once(child, "close")) as [number | null];
    return code ?? 1;
  });
  if (status === NOT_MOUNTED) {
    throw new BootError("INSTALL_FAILED", `cannot enter ${root}`, {
      cause: new Error("a mount failed: its message is above"),
      hint: "Name the directory where the other system's root is mounted.",
    });
  }
  if (!NOT_STARTED.includes(status)) return status;
  throw new BootError("INSTALL_FAILED", `cannot run dockroot in ${root}`, {
    hint: "That system needs glibc 2.28 or later and libstdc++, of this machine's architecture. Its initramfs gets both from there.",
  });
}

/**
 * A system in a directory of a disk of this machine, whose programs run with that directory for their root. Its files are
 * only looked at, as by `treeHost`.
 * @param tree an absolute path without links
 */
export function enteredHost(host: Host, tree: string): Host {
  return {
    ...treeHost(host, tree),
    run: (argv, options) =>
      host.run(
        [
          ...["unshare", "--mount", "--propagation", "private"],
          ...["--pid", "--fork", "--kill-child", "--"],
          ...["sh", "-ec", ENTER_ON_MACHINE, "sh", tree, ...argv],
        ],
        { ...options, isTied: true },
      ),
  };
}

/** @throws BootError INSTALL_FAILED */
async function requireEntry(host: Host, root: string): Promise<void> {
  const checks = [
    {
      argv: ["unshare", "--mount", "--propagation", "private", "--", "true"],
      // A container may not mount.
      hint: "In a container, run dockroot inside that system, without --root, or let the container mount: docker run --privileged.",
    },
    {
      argv: ["setpriv", "--no-new-privs", "--pdeathsig", "TERM", "--", "true"],
      hint: "Install the package util-linux here, 2.33 or later.",
    },
  ];
  for (const { argv, hint } of checks) {
    try {
      await host.run(argv);
    } catch (cause) {
      if (!(cause instanceof HelperError)) throw cause;
      throw new BootError("INSTALL_FAILED", `cannot enter ${root}`, {
        cause,
        hint,
      });
    }
  }
}

/** A command's arguments without --root and its directory. */
export function withoutRoot(argv: readonly string[]): string[] {
  return argv.filter(
    (argument, index) =>
      argument !== "--root" &&
      !argument.startsWith("--root=") &&
      argv[index - 1] !== "--root",
  );
}
