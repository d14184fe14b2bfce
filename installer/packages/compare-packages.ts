import { decodeText } from "../../runtime/base/decode-text.ts";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { followIn, readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { parsePrettyName } from "../system/formats/os-release.ts";
import {
  comparePackageLists,
  MANAGERS,
  parseApkInstalled,
  parseDpkgStatus,
  parsePacmanNames,
  parseRpmList,
  RPM_FORMAT,
  type Manager,
  type Package,
  type PackageChanges,
} from "./formats/package-lists.ts";

const MAX_LIST_BYTES = 64 * 1024 * 1024;

const MAX_OS_RELEASE_BYTES = 64 * 1024;

const RPM_TIMEOUT_MS = 60_000;

const RPM_DIRECTORIES = ["usr/lib/sysimage/rpm", "var/lib/rpm"];

/** Of its sqlite, ndb and Berkeley databases. Where there is none, rpm makes one. */
const RPM_DATABASES = ["rpmdb.sqlite", "Packages.db", "Packages"];

/** A tree that may be hostile, and may be read-only. */
interface Tree {
  readonly host: Host;
  /** Absolute. */
  readonly at: string;
}

const READERS: Readonly<
  Record<Manager, (tree: Tree) => Package[] | Promise<Package[]>>
> = {
  dpkg: (tree) => {
    const directory = "var/lib/dpkg/status.d";
    return [
      "var/lib/dpkg/status",
      // Images without a package manager have a file for each package.
      ...namesIn(tree, directory).map((name) => `${directory}/${name}`),
    ].flatMap((file) => parseDpkgStatus(readText(tree, file)));
  },
  rpm: readRpm,
  pacman: (tree) => parsePacmanNames(namesIn(tree, "var/lib/pacman/local")),
  apk: (tree) =>
    ["lib/apk/db/installed", "usr/lib/apk/db/installed"]
      .map((file) => parseApkInstalled(readText(tree, file)))
      .find((packages) => packages.length > 0) ?? [],
};

/**
 * What packages come, go and change from one system to the next. Nothing in the trees is run.
 * @param from its tree, absolute; `undefined`: all packages come
 * @param to likewise
 * @returns `undefined` where that cannot be told: no known package manager, or another one
 */
export async function comparePackages(
  host: Host,
  from: string | undefined,
  to: string,
): Promise<PackageChanges | undefined> {
  let manager: Manager | undefined;
  let after: Package[] = [];
  for (const each of MANAGERS) {
    const packages = await READERS[each]({ host, at: to });
    // A system may have the tools of another.
    if (packages.length > after.length) [manager, after] = [each, packages];
  }
  if (manager === undefined) return undefined;
  const before =
    from === undefined ? [] : await READERS[manager]({ host, at: from });
  if (from !== undefined && before.length === 0) return undefined;
  return { manager, ...comparePackageLists(before, after) };
}

/** What a system is called for people, as its os-release says. */
export function readSystemName(host: Host, tree: string): string | undefined {
  return ["etc/os-release", "usr/lib/os-release"]
    .map((file) =>
      parsePrettyName(readText({ host, at: tree }, file, MAX_OS_RELEASE_BYTES)),
    )
    .find((name) => name !== undefined);
}

/** What rpm of this machine reads; nothing where it has none. */
async function readRpm({ host, at }: Tree): Promise<Package[]> {
  const directory = RPM_DIRECTORIES.map((name) =>
    followIn(host, at, name),
  ).find(
    (found) =>
      found !== undefined &&
      RPM_DATABASES.some(
        (name) => host.files.statusOf(`${found}/${name}`)?.kind === "file",
      ),
  );
  if (directory === undefined) return [];
  try {
    const { stdout } = await host.run(
      ["rpm", "--dbpath", directory, "-qa", "--qf", RPM_FORMAT],
      { timeoutMs: RPM_TIMEOUT_MS },
    );
    return parseRpmList(stdout.toString("utf8"));
  } catch (error) {
    if (error instanceof HelperError) return [];
    throw error;
  }
}

function namesIn({ host, at }: Tree, directory: string): string[] {
  const found = followIn(host, at, directory);
  return found === undefined ? [] : host.files.namesIn(found);
}

/** @returns nothing where there is no such file, or it cannot be read */
function readText(
  { host, at }: Tree,
  file: string,
  maxBytes = MAX_LIST_BYTES,
): string {
  try {
    return decodeText(readBytesIn(host, at, file, maxBytes) ?? Buffer.alloc(0));
  } catch (error) {
    if (error instanceof BootError && error.code === "FILE_UNREADABLE") {
      return "";
    }
    throw error;
  }
}
