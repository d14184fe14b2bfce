import { parseGroup } from "../../system/formats/parse-accounts.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { formatMode, inLayer, problemOf, type Problem } from "./problem.ts";
import { isEssential } from "./accounts.ts";

const SHADOW = /^\/etc\/g?shadow-?$/;

const HOST_KEY = /\/ssh_host_[^/]*_key$/;

/** Files that hold a secret, by their names. */
const SECRETS = [
  SHADOW,
  HOST_KEY,
  /\/id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/,
  /\.(?:nmconnection|keytab|psk|kdbx|keyfile)$/,
  /^\/etc\/wpa_supplicant\/[^/]*\.conf$/,
  /^\/etc\/wireguard\/[^/]*\.conf$/,
];

/** Files that say who may do what. */
const AUTHORITIES =
  /^\/etc\/(?:passwd-?|group-?|sudoers|sudoers\.d\/[^/]*|doas\.conf)$/;

const READ_BY_ALL = /^\/etc\/(?:passwd|group)$/;

/** Who can read what is secret, and write what says who may do what. */
export function checkSecrets(facts: CheckFacts): Problem[] {
  const closed = closedDirectories(facts.entries);
  const shadowGroup = findShadowGroup(facts);
  return facts.entries.flatMap((entry) => {
    const { kind, target, isCovered } = entry;
    if (kind !== "file" || isCovered || entry.effect === "delete") return [];
    const isSecret =
      entry.holdsPrivateKey || SECRETS.some((name) => name.test(target));
    return [
      ...(isSecret && !isBelow(closed, entry) ? checkReaders(entry) : []),
      ...(SHADOW.test(target) ? checkGroup(entry, shadowGroup) : []),
      ...(HOST_KEY.test(target) ? checkHostKey(entry) : []),
      ...(isSecret || AUTHORITIES.test(target) ? checkWriters(entry) : []),
      ...(READ_BY_ALL.test(target) ? checkReadable(entry) : []),
    ];
  });
}

function checkReaders(entry: CheckedEntry): Problem[] {
  const { mode } = entry.attributes;
  if ((mode & 0o004) === 0) return [];
  return [
    problemOf(
      entry,
      "error",
      "secret-readable",
      `everybody can read ${entry.path}, which holds a secret: its mode is ${formatMode(mode)}`,
      inLayer("chmod 0600", entry),
    ),
  ];
}

/** @param shadowGroup the number of the new root's group `shadow` */
function checkGroup(
  entry: CheckedEntry,
  shadowGroup: number | undefined,
): Problem[] {
  const { mode, gid } = entry.attributes;
  const isOpen = (mode & 0o040) !== 0 && gid !== 0 && gid !== shadowGroup;
  if (!isOpen) return [];
  return [
    problemOf(
      entry,
      "error",
      "secret-readable",
      `the group ${String(gid)} can read ${entry.path}; the group shadow has ${shadowGroup === undefined ? "no number" : `the number ${String(shadowGroup)}`} in the new root`,
      inLayer(
        shadowGroup === undefined
          ? "chown root:root"
          : `chown 0:${String(shadowGroup)}`,
        entry,
      ),
    ),
  ];
}

/** sshd refuses a key of root's that its group can read; what it loses is a way in. */
function checkHostKey(entry: CheckedEntry): Problem[] {
  const { mode } = entry.attributes;
  if ((mode & 0o070) === 0) return [];
  return [
    problemOf(
      entry,
      "warning",
      "host-key-group",
      `${entry.path} has the mode ${formatMode(mode)}: sshd does not use a key that its group can read, but on systems that have a group for that`,
      inLayer("chmod 0600", entry),
    ),
  ];
}

function checkWriters(entry: CheckedEntry): Problem[] {
  const { mode, uid } = entry.attributes;
  if (uid !== 0 && /^\/etc\//.test(entry.target)) {
    return [
      problemOf(
        entry,
        "error",
        "secret-owner",
        `${entry.path} belongs to the user ${String(uid)}, who can read and change it`,
        inLayer("chown root", entry),
      ),
    ];
  }
  if ((mode & 0o022) === 0) return [];
  return [
    problemOf(
      entry,
      "error",
      "secret-writable",
      `others than root can change ${entry.path}: its mode is ${formatMode(mode)}`,
      inLayer("chmod go-w", entry),
    ),
  ];
}

function checkReadable(entry: CheckedEntry): Problem[] {
  const { mode } = entry.attributes;
  if ((mode & 0o004) !== 0) return [];
  return [
    problemOf(
      entry,
      "error",
      "accounts-closed",
      `${entry.path} has the mode ${formatMode(mode)}: only root learns who is who, and logins fail`,
      inLayer("chmod 0644", entry),
    ),
  ];
}

/** The number that the new root gives it. */
function findShadowGroup({ texts }: CheckFacts): number | undefined {
  return parseGroup(texts.group.text ?? "").entries.find(
    ({ name }) => name === "shadow",
  )?.gid;
}

/** Directories that others cannot pass, and are not meant to. */
function closedDirectories(
  entries: readonly CheckedEntry[],
): ReadonlySet<string> {
  const closed = entries.filter(
    ({ kind, target, attributes, isCovered }) =>
      kind === "directory" &&
      !isCovered &&
      !isEssential(target) &&
      (attributes.mode & 0o001) === 0,
  );
  return new Set(closed.map(({ target }) => target));
}

function isBelow(
  directories: ReadonlySet<string>,
  { target }: CheckedEntry,
): boolean {
  const parts = target.split("/");
  return parts.some((_, depth) =>
    directories.has(parts.slice(0, depth).join("/")),
  );
}
