import { HelperError } from "../../runtime/base/errors.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Manager } from "./formats/package-lists.ts";
import { findRpmDatabase, namesIn, readText, type Tree } from "./read-tree.ts";

/**
 * The files of packages that are installed in a tree, as paths from `/`, no link on the way to them.
 * @param names of the packages
 * @returns none of a package whose list cannot be read
 */
export async function readOwnedFiles(
  host: Host,
  at: string,
  manager: Manager,
  names: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const tree = { host, at };
  const files = await LISTERS[manager](tree, names);
  const real = new Map<string, string>();
  // Packages name /lib/x.so where /lib is a link.
  return new Set(
    files.map((file) => {
      const end = file.lastIndexOf("/");
      const directory = file.slice(0, end);
      const known = real.get(directory) ?? resolve(tree, directory);
      real.set(directory, known);
      return `${known}${file.slice(end)}`;
    }),
  );
}

function resolve({ host, at }: Tree, directory: string): string {
  const found = followIn(host, at, directory);
  return found === undefined ? directory : found.slice(at.length);
}

const LISTERS: Readonly<
  Record<
    Manager,
    (tree: Tree, names: ReadonlySet<string>) => string[] | Promise<string[]>
  >
> = {
  dpkg: (tree, names) => {
    const info = "var/lib/dpkg/info";
    return namesIn(tree, info).flatMap((name) => {
      const [, own = ""] = /^([^:]+)(?::[^.]+)?\.list$/.exec(name) ?? [];
      if (!names.has(own)) return [];
      return linesOf(readText(tree, `${info}/${name}`));
    });
  },
  pacman: (tree, names) => {
    const local = "var/lib/pacman/local";
    return namesIn(tree, local).flatMap((name) => {
      const [, own = ""] = /^(.+)-[^-]+-[^-]+$/.exec(name) ?? [];
      if (!names.has(own)) return [];
      const text = readText(tree, `${local}/${name}/files`);
      const [, files = ""] = /^%FILES%\n((?:.+\n)*)/m.exec(text) ?? [];
      return linesOf(files).map((file) => `/${file}`);
    });
  },
  apk: (tree, names) =>
    ["lib/apk/db/installed", "usr/lib/apk/db/installed"].flatMap((file) =>
      readText(tree, file)
        .split(/\n{2,}/)
        .filter((stanza) => names.has(/^P:(.+)$/m.exec(stanza)?.[1] ?? ""))
        .flatMap(filesOfApk),
    ),
  rpm: async (tree, names) => {
    const directory = findRpmDatabase(tree);
    if (directory === undefined || names.size === 0) return [];
    try {
      const { stdout } = await tree.host.run([
        ...["rpm", "--dbpath", directory, "-ql", "--", ...names],
      ]);
      return linesOf(stdout.toString("utf8"));
    } catch (error) {
      if (error instanceof HelperError) return [];
      throw error;
    }
  },
};

/** @see https://wiki.alpinelinux.org/wiki/Apk_spec#Install_DB_Structure */
function filesOfApk(stanza: string): string[] {
  let directory = "";
  return stanza.split("\n").flatMap((line) => {
    if (line.startsWith("F:")) directory = line.slice(2);
    return line.startsWith("R:") ? [`/${directory}/${line.slice(2)}`] : [];
  });
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .filter(
      (line) => line.startsWith("/") || (line !== "" && !line.endsWith("/")),
    );
}
