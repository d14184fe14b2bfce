import type { FileKind } from "../host/files.ts";

/**
 * Files that none but root may read, wherever they are: more than `dockroot toplayer check` calls an
 * error, for nobody has said here who may.
 */
const SECRET_FILES = [
  /^g?shadow-?$/,
  /^ssh_host_.*_key$/,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/,
  /key[0-9]*\.pem$/,
  /\.(?:key|psk|8021x|ovpn|pfx|p12|nmconnection|keytab|kdbx|keyfile|secrets|priv)$/,
  /^(?:wpa_supplicant.*\.conf|sudoers|crypttab|crypto_keyfile\.bin|chap-secrets|pap-secrets|opasswd|sasl_passwd|secrets\.tdb|\.?smbcredentials|\.git-credentials|\.netrc|\.pgpass)$/,
];

/** Directories that with all in them are root's alone. */
const SECRET_DIRECTORIES = [
  /^\.(?:ssh|gnupg)$/,
  /^(?:private|system-connections|wireguard|netplan|cryptsetup-keys\.d|sudoers\.d|credstore|credstore\.encrypted)$/,
];

/** Keys of WireGuard and MACsec, among others: networkd reads them, which is not root. */
const FOR_NETWORKD = /\.netdev(?:\.d\/[^/]*)?$/i;

/**
 * The group that a file which is root's alone has to be readable for.
 * @param file relative to the root
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.netdev.html (PrivateKey=)
 */
export function readingGroup(file: string): string | undefined {
  return FOR_NETWORKD.test(file) ? "systemd-network" : undefined;
}

/** What is in these is run. */
const PROGRAM_DIRECTORIES = /^s?bin$/;

/**
 * The mode of what comes from a filesystem that keeps none.
 * @param file relative to the root, one byte a character
 */
export function safeMode(file: string, kind: FileKind): number {
  const names = file.split("/").map((name) => name.toLowerCase());
  const directories = kind === "directory" ? names : names.slice(0, -1);
  const isSecret =
    directories[0] === "root" ||
    directories.some((name) => matches(name, SECRET_DIRECTORIES)) ||
    (kind !== "directory" &&
      (FOR_NETWORKD.test(file) || matches(names.at(-1) ?? "", SECRET_FILES)));
  const isProgram =
    kind === "directory" ||
    directories.some((name) => PROGRAM_DIRECTORIES.test(name));
  return (isProgram ? 0o755 : 0o644) & (isSecret ? 0o700 : 0o777);
}

function matches(name: string, patterns: readonly RegExp[]): boolean {
  return patterns.some((pattern) => pattern.test(name));
}
