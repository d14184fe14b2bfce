import { compilePatterns } from "./path-patterns.ts";

/** What a running system writes by itself, and nobody misses. */
export interface Noise {
  /** Of the path from `/`, and of all that is below it. `*` stands for a part of one name. */
  readonly path: string;
  readonly why: string;
}

/**
 * Measured: what an idle machine has changed ten minutes after its boot, and what package managers and desktops
 * keep that is made anew when it is missing.
 */
export const NOISE: readonly Noise[] = [
  { path: "/.dockroot-root.json", why: "dockroot's own record" },
  { path: "/run", why: "of this boot alone" },
  { path: "/tmp", why: "temporary" },
  { path: "/var/tmp", why: "temporary" },
  { path: "/var/cache", why: "a cache" },
  { path: "/var/lock", why: "a lock" },
  { path: "/var/log", why: "logs" },
  { path: "/home/*/.cache", why: "a cache" },
  { path: "/root/.cache", why: "a cache" },
  { path: "/etc/ld.so.cache", why: "a cache of ldconfig" },
  { path: "/etc/.updated", why: "systemd's note of the last update" },
  { path: "/etc/.pwd.lock", why: "a lock" },
  { path: "/etc/passwd-", why: "a backup that each change of accounts makes" },
  { path: "/etc/shadow-", why: "a backup that each change of accounts makes" },
  { path: "/etc/group-", why: "a backup that each change of accounts makes" },
  { path: "/etc/gshadow-", why: "a backup that each change of accounts makes" },
  { path: "/etc/subuid-", why: "a backup that each change of accounts makes" },
  { path: "/etc/subgid-", why: "a backup that each change of accounts makes" },
  { path: "/etc/mtab", why: "a link that systemd makes" },
  { path: "/etc/adjtime", why: "the clock's drift" },
  { path: "/etc/resolv.conf", why: "the network's name servers" },
  { path: "/var/.updated", why: "systemd's note of the last update" },
  { path: "/var/lib/systemd/random-seed", why: "a seed" },
  { path: "/var/lib/systemd/catalog/database", why: "a cache of the journal" },
  { path: "/var/lib/systemd/timers", why: "when timers ran last" },
  { path: "/var/lib/systemd/timesync/clock", why: "when the clock was right" },
  { path: "/var/lib/systemd/rfkill", why: "the state of radio devices" },
  { path: "/var/lib/systemd/backlight", why: "the state of screens" },
  { path: "/var/lib/systemd/coredump", why: "core dumps" },
  { path: "/var/lib/systemd/ephemeral-trees", why: "temporary" },
  { path: "/var/lib/systemd/pstore", why: "the last crash of the kernel" },
  { path: "/var/lib/private/systemd", why: "the state of systemd's services" },
  { path: "/var/lib/dhcp", why: "leases" },
  { path: "/var/lib/dhcpcd", why: "leases" },
  { path: "/var/lib/dhclient", why: "leases" },
  { path: "/var/lib/NetworkManager/*.lease", why: "leases" },
  {
    path: "/var/lib/NetworkManager/timestamps",
    why: "when networks were seen",
  },
  { path: "/var/lib/NetworkManager/seen-bssids", why: "seen networks" },
  { path: "/var/lib/logrotate", why: "when logs were rotated" },
  { path: "/var/lib/apt", why: "lists that apt update fetches" },
  { path: "/var/lib/pacman/sync", why: "lists that pacman fetches" },
  { path: "/var/lib/dpkg/*-old", why: "a backup of dpkg's" },
  { path: "/var/lib/dpkg/lock*", why: "a lock" },
  { path: "/var/lib/dpkg/triggers", why: "what dpkg has to do yet" },
  { path: "/var/lib/upower", why: "the history of batteries" },
  { path: "/var/lib/chrony", why: "the clock's drift" },
  { path: "/var/lib/ntp", why: "the clock's drift" },
  { path: "/var/lib/mlocate", why: "an index" },
  { path: "/var/lib/plocate", why: "an index" },
  { path: "/var/lib/PackageKit", why: "a cache" },
  { path: "/var/lib/fwupd", why: "a cache" },
  { path: "/var/lib/udisks2", why: "what is mounted" },
  { path: "/var/lib/alsa/asound.state", why: "volumes of sound cards" },
  { path: "/var/lib/colord", why: "a cache" },
  { path: "/var/lib/lightdm*", why: "the state of the login screen" },
  { path: "/var/lib/gdm*", why: "the state of the login screen" },
  { path: "/var/lib/sddm", why: "the state of the login screen" },
  ...[
    ...["btrfs", "buildkit", "containers", "image", "network"],
    ...["overlay2", "rootfs", "tmp"],
  ].map((name) => ({
    path: `/var/lib/docker/${name}`,
    why: "an engine's store",
  })),
  { path: "/var/lib/containerd", why: "an engine's store" },
  { path: "/var/lib/containers/cache", why: "a cache" },
  { path: "/var/lib/containers/storage/btrfs*", why: "an engine's store" },
  { path: "/var/lib/containers/storage/overlay*", why: "an engine's store" },
  { path: "/var/spool/anacron", why: "when jobs ran last" },
  { path: "/home/*/.bash_history", why: "a shell's history" },
  { path: "/root/.bash_history", why: "a shell's history" },
  { path: "/usr/share/mime/mime.cache", why: "a cache" },
  { path: "/usr/lib/*/gconv/gconv-modules.cache", why: "a cache" },
];

const patterns = compilePatterns(NOISE.map(({ path }) => path));

/** Why nobody misses it; `undefined` of all else. @param path from `/` */
export function findNoise(path: string): string | undefined {
  return NOISE[patterns.find(path)]?.why;
}

/** Whether something below a path may be noise that the path itself is not. */
export const hasNoiseBelow = patterns.reachBelow;
