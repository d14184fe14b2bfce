import fs from "fs-extra";

/** A link of the image, and where a directory of the top layer lands that is onto it. */
export interface HostileLink {
  readonly target: string;
  /** `undefined`: the directory replaces the link, for a confined process finds no directory there. */
  readonly place: string | undefined;
}

/** Links in /many, each to one of the directories in /many-targets in turn. */
export const MANY = 1000;
export const TARGETS = 100;

/** How many links the kernel follows on its way, see path_resolution(7). */
const MAX_LINKS = 40;
const REAL = "/real/directory";
const UP = "../".repeat(20).slice(0, -1);

/**
 * The links in the tree's /links.
 * @param host a directory that is there outside of the tree, and not inside
 */
export function hostileLinks(
  host: string,
): Readonly<Record<string, HostileLink>> {
  // prettier-ignore
  const table: [name: string, target: string, place: string | undefined][] = [
    ["to the root", "/", "/"],
    ["to its directory", ".", "/links"],
    ["above the root", UP, "/"],
    // Which is where it would lead from RWLAYER/links and from .dockroot/RWLAYER/staging/links.
    ["to the disk's top level from the root", "../..", "/"],
    ["to the disk's top level from staging", "../../../..", "/"],
    ["to a directory", REAL, REAL],
    ["to a directory by dots", `..${REAL}/../directory/.`, REAL],
    ["to a directory by slashes", "//real///directory//", REAL],
    ["to a directory by way of the root", `${UP}${REAL}`, REAL],
    ["to proc", "/proc", "/proc"],
    ["by a chain to a directory", "chain/in", REAL],
    ["by as many links as are followed", "deep/2", REAL],
    ["by one link more", "deep/1", undefined],
    ["by a chain out", "chain/out", undefined],
    ["to the host", host, undefined],
    ["up to the host", `${UP}${host}`, undefined],
    ["to the disk", "/precious", undefined],
    ["up to the disk from the root", "../../precious", undefined],
    ["up to the disk from staging", "../../../../precious", undefined],
    ["to the root of a process", "/proc/1/root", undefined],
    ["to the directory of a process", "/proc/self/cwd", undefined],
    ["to itself", "to itself", undefined],
    ["to a file", "/real/file", undefined],
    ["to a file by a slash", "/real/file/", undefined],
    ["through a file", "/real/file/../directory", undefined],
    ["through nothing", "/nothing/../real/directory", undefined],
  ];
  return Object.fromEntries(
    table.map(([name, target, place]) => [name, { target, place }]),
  );
}

/** Adds links of every malice to a tree, and what they lead to. */
export function makeHostileTree(tree: string, host: string): void {
  fs.chmodSync(tree, 0o711);
  fs.mkdirpSync(`${tree}${REAL}`);
  fs.writeFileSync(`${tree}${REAL}/image`, "image\n");
  fs.writeFileSync(`${tree}/real/file`, "image\n");
  const link = (name: string, target: string) => {
    fs.mkdirpSync(`${tree}/${name.slice(0, name.lastIndexOf("/"))}`);
    fs.symlinkSync(target, `${tree}/${name}`);
  };
  for (const [name, { target }] of Object.entries(hostileLinks(host))) {
    link(`links/${name}`, target);
  }
  link("links/chain/in", "../../links/chain/in-2");
  link("links/chain/in-2", "/links/chain/in-3");
  link("links/chain/in-3", `../../..${REAL}`);
  link("links/chain/out", "../../links/chain/out-2");
  link("links/chain/out-2", "/links/chain/out-3");
  link("links/chain/out-3", `${UP}${host}`);
  for (let number = 1; number < MAX_LINKS; number += 1) {
    link(`links/deep/${String(number)}`, String(number + 1));
  }
  link(`links/deep/${String(MAX_LINKS)}`, REAL);

  for (let number = 0; number < TARGETS; number += 1) {
    const directory = `${tree}/many-targets/${String(number)}`;
    fs.mkdirpSync(directory);
    fs.writeFileSync(`${directory}/file`, "image\n");
  }
  for (let number = 0; number < MANY; number += 1) {
    link(
      `many/${String(number)}`,
      `../many-targets/${String(number % TARGETS)}`,
    );
  }

  for (const name of ["directory-1", "directory-2", "directory-3"]) {
    fs.mkdirpSync(`${tree}/swap/${name}`);
    fs.writeFileSync(`${tree}/swap/${name}/file`, "image\n");
  }
  link("swap/link-1", host);
  link("swap/link-2", "../../../../precious");
  link("swap/link-3", REAL);

  fs.mkdirpSync(`${tree}/ways/real`);
  link("ways/a-link", "real");
  link("ways/z-link", "/ways/real");
}
