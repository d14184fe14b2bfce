import path from "node:path";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Files, Host } from "../../runtime/host/host.ts";
import {
  HelperError,
  BootError,
  UsageError,
} from "../../runtime/base/errors.ts";

const MOUNTINFO = "/proc/self/mountinfo";

const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

/** Of the kernel and of what runs: no tree has its own, whatever it says. */
const LIVE = new Set(["dev", "proc", "run", "sys"]);

/** A name where nothing can be. */
const NOWHERE = "/dev/null/nothing";

/** A program was needed, and is not run, since the system is only looked at. */
export class NotRunError extends HelperError {
  constructor(program: string) {
    super(
      "start",
      `${program} was not run: dockroot runs no program of a system in a directory`,
    );
    this.name = "NotRunError";
  }
}

/**
 * A system in a directory, which may be hostile, as a process that has it for its root would see it,
 * but nothing of it runs: programs are refused with NotRunError. Links are followed inside of it alone,
 * and nothing is written. Of /dev, /proc, /run and /sys there is nothing but the mounts that are below
 * the directory.
 * @param tree an absolute path without links
 */
export function treeHost(host: Host, tree: string): Host {
  const files = confinedFiles(host, tree);
  const readText: Host["readText"] = (absolute, maxBytes) => {
    if (absolute !== MOUNTINFO) return files.readText(absolute, maxBytes);
    const own = host.readText(MOUNTINFO, MAX_MOUNTINFO_BYTES) ?? "";
    return mountinfoBelow(own, tree);
  };
  return {
    ...host,
    files,
    readText,
    path: (absolute) => absolute,
    run: ([program = ""]) => Promise.reject(new NotRunError(program)),
  };
}

function confinedFiles(host: Host, tree: string): Files {
  const { files } = host;
  const unlessLive = (file: string) =>
    isBelowLive(inside(tree, file)) ? NOWHERE : file;
  /** Where a path leads, links followed. */
  const target = (file: string): string => {
    if (isBelowLive(file)) return NOWHERE;
    return unlessLive(followIn(host, tree, file) ?? NOWHERE);
  };
  /** Where a path is, a link at its end not followed. */
  const place = (file: string): string => {
    const { dir, base } = path.parse(file);
    if (base === "" || base === ".." || isBelowLive(file)) return target(file);
    return unlessLive(path.join(target(dir), base));
  };
  const placeOf = (file: string | Buffer) =>
    place(typeof file === "string" ? file : file.toString("utf8"));
  return {
    ...refuseAll(files),
    statusOf: (file) => files.statusOf(placeOf(file)),
    lookAt: (file) => files.lookAt(Buffer.from(placeOf(file))),
    linkTarget: (link) => files.linkTarget(place(link)),
    readStart: (file, maxBytes) => files.readStart(placeOf(file), maxBytes),
    statusOfTarget: (file) => files.statusOfTarget(target(file)),
    readBytes: (file, maxBytes) => files.readBytes(target(file), maxBytes),
    readText: (file, maxBytes) => files.readText(target(file), maxBytes),
    withFile: (file, maxBytes, work) =>
      files.withFile(target(file), maxBytes, work),
    streamFile: (file, part) => files.streamFile(target(file), part),
    hashFile: (file) => files.hashFile(target(file)),
    namesIn: (directory) => {
      const at = target(directory);
      return isBelowLive(path.join(inside(tree, at), "name"))
        ? []
        : files.namesIn(at);
    },
    walkDirectories: (directory, isEntered) => {
      const at = target(directory);
      files.walkDirectories(
        at,
        (file, status) =>
          !isBelowLive(path.join(inside(tree, at), file, "name")) &&
          isEntered(file, status),
      );
    },
    realPath: (file) => inside(tree, files.realPath(target(file))),
    filesystemType: (file) => files.filesystemType(target(file)),
    roomAt: (file) => files.roomAt(target(file)),
  };
}

/** The directories themselves are there, and empty. */
function isBelowLive(file: string): boolean {
  const [first = "", ...rest] = path.resolve("/", file).split("/").slice(1);
  return LIVE.has(first) && rest.length > 0;
}

/** The path that a process would see that has the tree for its root. */
function inside(tree: string, file: string): string {
  return path.join("/", path.relative(tree, file));
}

/** What is not named above writes, or is for trees of another kind. */
function refuseAll(files: Files): Files {
  const refuse = (name: string) => () => {
    throw new Error(`${name} in a tree that is only looked at`);
  };
  return Object.fromEntries(
    Object.keys(files).map((name) => [name, refuse(name)]),
  ) as unknown as Files;
}

/**
 * Does what may need to run a program of a system that is only looked at.
 * @param notChecked gets what is not known then
 * @returns what the work gives, or `otherwise`
 */
export async function unlessNotRun<T>(
  notChecked: string[],
  otherwise: T,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NotRunError)) throw error;
    notChecked.push(what);
    return otherwise;
  }
}

/**
 * What /proc/self/mountinfo says to a process that has a directory for its root: the mounts below it,
 * and that at it.
 * @param text what it says here
 * @param tree an absolute path without links
 * @see proc_pid_mountinfo(5)
 */
export function mountinfoBelow(text: string, tree: string): string {
  const root = tree === "/" ? "" : escape(tree);
  return text
    .split("\n")
    .flatMap((line) => {
      const fields = line.split(" ");
      const [mountPoint] = fields.splice(4, 1);
      if (mountPoint !== root && mountPoint?.startsWith(`${root}/`) !== true) {
        return [];
      }
      fields.splice(4, 0, mountPoint.slice(root.length) || "/");
      return [`${fields.join(" ")}\n`];
    })
    .join("");
}

/** As the kernel writes a path there. */
function escape(file: string): string {
  return file.replace(
    /[ \t\n\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

const DIRECTORIES = ["dev", "proc", "sys", "run", "usr"];

/** The system in the directory that `--root` names, to be looked at. @throws BootError, UsageError */
export function lookAtRoot(host: Host, directory: string): Host {
  return treeHost(host, host.files.realPath(requireSystem(host, directory)));
}

/**
 * @param directory what `--root` names
 * @returns its absolute path
 * @throws BootError INSTALL_FAILED where it holds no system, UsageError
 */
export function requireSystem(host: Host, directory: string): string {
  if (directory === "") throw new UsageError("--root names no directory");
  const root = path.resolve(directory);
  for (const name of DIRECTORIES) {
    const status = host.files.statusOf(path.join(root, name));
    if (status?.kind === "directory") continue;
    throw new BootError("INSTALL_FAILED", `there is no system in ${root}`, {
      cause: new Error(`it has no directory ${name}`),
      hint: "Name the directory where the other system's root is mounted.",
    });
  }
  return root;
}
