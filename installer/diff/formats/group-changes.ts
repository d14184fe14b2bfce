import { findNoise, hasNoiseBelow } from "./noise.ts";
import { compilePatterns } from "./path-patterns.ts";
import type { Change } from "./change.ts";

/** Groups of changes, what would be regretted most first. */
export const GROUPS = [
  "identity",
  "configuration",
  "packages",
  "data",
  "rest",
] as const;

export type Group = (typeof GROUPS)[number];

export const GROUP_TITLES: Readonly<Record<Group, string>> = {
  identity: "Identity and secrets",
  configuration: "Configuration",
  packages: "Programs",
  data: "Data",
  rest: "Other files",
};

/** The groups by the paths that belong to them; the first that fits counts. */
const PATTERNS: readonly (readonly [Group, readonly string[]])[] = [
  [
    "identity",
    [
      // What a machine is known by, and what opens it.
      ...inEach("/etc", [
        ...["passwd", "shadow", "group", "gshadow", "subuid", "subgid"],
        ...["sudoers", "sudoers.d", "doas.conf", "machine-id", "hostname"],
        ...["ssh/ssh_host_*", "dropbear", "krb5.keytab", "crypttab"],
        ...["letsencrypt", "ssl/private", "pki/tls/private", "ipsec.d"],
        ...["wireguard", "openvpn", "wpa_supplicant", "iwd", "credstore*"],
        "NetworkManager/system-connections",
      ]),
      ...inEach("/var/lib", [
        ...["bluetooth", "iwd", "tailscale", "AccountsService", "fprint"],
        ...["sbctl", "samba/private", "systemd/credential.secret"],
      ]),
      ...["/root", "/home/*"].flatMap((home) =>
        inEach(home, [".ssh", ".gnupg", ".pki", ".password-store"]),
      ),
    ],
  ],
  ["configuration", ["/etc", "/usr/local/etc", "/root/.*", "/home/*/.*"]],
  ["data", ["/home", "/root", "/srv", "/opt", "/usr/local"]],
  [
    "packages",
    [
      ...["/usr", "/bin", "/sbin", "/lib*", "/boot"],
      ...inEach("/var/lib", ["dpkg", "pacman", "rpm", "apk", "dnf", "flatpak"]),
    ],
  ],
  ["data", ["/var"]],
];

const COMPILED = PATTERNS.map(([group, paths]) => ({
  ...{ group, patterns: compilePatterns(paths) },
}));

/** @param path from `/` */
export function groupOf(path: string): Group {
  const found = COMPILED.find(({ patterns }) => patterns.find(path) >= 0);
  return found?.group ?? "rest";
}

/** Whether what is below a directory may belong elsewhere than the directory: such a one is told by what is in it. */
export function isDivided(path: string): boolean {
  return (
    hasNoiseBelow(path) ||
    COMPILED.some(({ patterns }) => patterns.reachBelow(path))
  );
}

function inEach(directory: string, names: readonly string[]): string[] {
  return names.map((name) => `${directory}/${name}`);
}

/** A change as it is told. */
export interface ToldChange extends Change {
  /** From `/`, as text: what is not UTF-8 in it is replaced. */
  readonly shown: string;
  readonly group: Group;
  /** Why nobody misses it. */
  readonly noise: string | undefined;
}

export function tellChange(change: Change): ToldChange {
  const shown = showPath(change.path);
  return { ...change, shown, group: groupOf(shown), noise: findNoise(shown) };
}

/** From `/`. @param path as of a `Change` */
export function showPath(path: string): string {
  return `/${Buffer.from(path, "latin1").toString("utf8")}`;
}
