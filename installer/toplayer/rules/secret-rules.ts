import { readingGroup } from "../../../runtime/tree/safe-mode.ts";
import { parseGroup } from "../../system/formats/parse-accounts.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { formatMode, isEssential, runOn, type EntryRule } from "./problem.ts";

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
  /^\/etc\/cryptsetup-keys\.d\//,
  /\.8021x$/,
];

/** Files that say who may do what. */
const AUTHORITIES =
  /^\/etc\/(?:passwd-?|group-?|sudoers|sudoers\.d\/[^/]*|doas\.conf)$/;

const READ_BY_ALL = /^\/etc\/(?:passwd|group)$/;

/** Who can read what is secret, and write what says who may do what. */
export function secretRules(facts: CheckFacts): readonly EntryRule[] {
  const closed = findClosedDirectories(facts);
  // As the new root numbers it.
  const groups = new Map(
    parseGroup(facts.texts.group.text ?? "").entries.map(({ name, gid }) => [
      name,
      gid,
    ]),
  );
  const shadowGroup = groups.get("shadow");
  return [
    {
      rule: "secret-readable",
      level: "error",
      find: (entry) =>
        (entry.attributes.mode & 0o004) !== 0 &&
        isSecret(entry) &&
        !isInOneOf(closed, entry.target) &&
        `everybody can read ${entry.path}, which holds a secret: its mode is ${formatMode(entry.attributes.mode)}`,
      remedy: (entry) => {
        const gid = groups.get(readingGroup(entry.target) ?? "");
        return gid === undefined
          ? runOn("chmod 0600")(entry)
          : runOn(`chown 0:${String(gid)}`, "chmod 0640")(entry);
      },
    },
    {
      rule: "secret-readable",
      level: "error",
      find: ({ path, target, attributes: { mode, gid } }) =>
        SHADOW.test(target) &&
        (mode & 0o040) !== 0 &&
        gid !== 0 &&
        gid !== shadowGroup &&
        `the group ${String(gid)} can read ${path}; the group shadow has ${shadowGroup === undefined ? "no GID" : `the GID ${String(shadowGroup)}`} in the new root`,
      remedy: runOn(
        shadowGroup === undefined
          ? "chown root:root"
          : `chown 0:${String(shadowGroup)}`,
      ),
    },
    {
      // sshd refuses a key of root's that its group can read; what it loses is a way in.
      rule: "host-key-group",
      level: "warning",
      find: ({ path, target, attributes: { mode } }) =>
        HOST_KEY.test(target) &&
        (mode & 0o070) !== 0 &&
        `${path} has the mode ${formatMode(mode)}: sshd ignores a key that its group can read, except on systems that have a group for such keys`,
      remedy: runOn("chmod 0600"),
    },
    {
      rule: "secret-owner",
      level: "error",
      find: (entry) =>
        hasForeignOwner(entry) &&
        `${entry.path} belongs to the user ${String(entry.attributes.uid)}, who can read and change it`,
      remedy: runOn("chown root"),
    },
    {
      rule: "secret-writable",
      level: "error",
      find: (entry) =>
        (entry.attributes.mode & 0o022) !== 0 &&
        isAuthority(entry) &&
        !hasForeignOwner(entry) &&
        `users other than root can change ${entry.path}: its mode is ${formatMode(entry.attributes.mode)}`,
      remedy: runOn("chmod go-w"),
    },
    {
      rule: "accounts-closed",
      level: "error",
      find: ({ path, target, attributes: { mode } }) =>
        READ_BY_ALL.test(target) &&
        (mode & 0o004) === 0 &&
        `${path} has the mode ${formatMode(mode)}: only root can look up users, and logins fail`,
      remedy: runOn("chmod 0644"),
    },
  ];
}

/** Whether the rules look at it. */
export function isKeptFile({ kind, isCovered, effect }: CheckedEntry): boolean {
  return kind === "file" && !isCovered && effect !== "delete";
}

function isSecret({ holdsSecret, target }: CheckedEntry): boolean {
  return holdsSecret || SECRETS.some((name) => name.test(target));
}

function isAuthority(entry: CheckedEntry): boolean {
  return isSecret(entry) || AUTHORITIES.test(entry.target);
}

function hasForeignOwner(entry: CheckedEntry): boolean {
  const { target, attributes } = entry;
  return (
    attributes.uid !== 0 && target.startsWith("/etc/") && isAuthority(entry)
  );
}

/** Directories that others cannot pass, and are not meant to. */
function findClosedDirectories({ entries }: CheckFacts): ReadonlySet<string> {
  const closed = entries.filter(
    ({ kind, target, attributes, isCovered }) =>
      kind === "directory" &&
      !isCovered &&
      !isEssential(target) &&
      (attributes.mode & 0o001) === 0,
  );
  return new Set(closed.map(({ target }) => target));
}

function isInOneOf(directories: ReadonlySet<string>, file: string): boolean {
  const parts = file.split("/");
  return parts.some((_, depth) =>
    directories.has(parts.slice(0, depth).join("/")),
  );
}
