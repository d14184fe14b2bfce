/** The package managers whose lists of packages are read. */
export const MANAGERS = ["dpkg", "rpm", "pacman", "apk"] as const;

export type Manager = (typeof MANAGERS)[number];

/** A package that is installed. */
export interface Package {
  readonly name: string;
  /** Of several with one name (kernels, architectures) all, each once. */
  readonly version: string;
}

/** What is installed differs in. */
export interface PackageChanges {
  readonly manager: Manager;
  readonly added: readonly Package[];
  readonly removed: readonly Package[];
  readonly changed: readonly {
    readonly name: string;
    readonly from: string;
    readonly to: string;
  }[];
}

/**
 * dpkg's `status`, or a file of `status.d`, which names no state.
 * @see https://man7.org/linux/man-pages/man1/dpkg.1.html
 */
export function parseDpkgStatus(text: string): Package[] {
  return parseStanzas(text, {
    name: /^Package: *(.+)$/m,
    version: /^Version: *(.+)$/m,
    isLeftOut: /^Status: .*(?:not-installed|config-files)$/m,
  });
}

/** @see https://wiki.alpinelinux.org/wiki/Apk_spec#Install_DB_Structure */
export function parseApkInstalled(text: string): Package[] {
  return parseStanzas(text, { name: /^P:(.+)$/m, version: /^V:(.+)$/m });
}

/** @param names of the directories in pacman's `local`, each `NAME-VERSION-RELEASE` */
export function parsePacmanNames(names: readonly string[]): Package[] {
  return names.flatMap((text) => {
    const [, name, version] = /^(.+)-([^-]+-[^-]+)$/.exec(text) ?? [];
    return name === undefined || version === undefined
      ? []
      : [{ name, version }];
  });
}

/** What rpm prints of each package. */
export const RPM_FORMAT =
  "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n";

/** @param text lines of `RPM_FORMAT` */
export function parseRpmList(text: string): Package[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", version] = line.split(" ");
    // Keys that packages are signed by stand there, too.
    return version === undefined || name === "gpg-pubkey"
      ? []
      : [{ name, version }];
  });
}

function parseStanzas(
  text: string,
  form: { name: RegExp; version: RegExp; isLeftOut?: RegExp },
): Package[] {
  return text.split(/\n{2,}/).flatMap((stanza) => {
    const name = form.name.exec(stanza)?.[1];
    const version = form.version.exec(stanza)?.[1];
    const isLeftOut = form.isLeftOut?.test(stanza) === true;
    return name === undefined || version === undefined || isLeftOut
      ? []
      : [{ name, version }];
  });
}

/** What comes, goes and changes from one list of packages to the other. */
export function comparePackageLists(
  from: readonly Package[],
  to: readonly Package[],
): Omit<PackageChanges, "manager"> {
  const [before, after] = [joinVersions(from), joinVersions(to)];
  const only = (
    these: ReadonlyMap<string, string>,
    others: ReadonlyMap<string, string>,
  ) =>
    [...these]
      .filter(([name]) => !others.has(name))
      .map(([name, version]) => ({ name, version }));
  return {
    added: only(after, before),
    removed: only(before, after),
    changed: [...after].flatMap(([name, version]) => {
      const earlier = before.get(name) ?? version;
      return earlier === version ? [] : [{ name, from: earlier, to: version }];
    }),
  };
}

/** By name, in order. */
function joinVersions(packages: readonly Package[]): Map<string, string> {
  const versions = new Map<string, Set<string>>();
  for (const { name, version } of packages) {
    versions.set(name, (versions.get(name) ?? new Set()).add(version));
  }
  return new Map(
    [...versions.keys()]
      .sort()
      .map((name) => [name, [...(versions.get(name) ?? [])].sort().join(", ")]),
  );
}
