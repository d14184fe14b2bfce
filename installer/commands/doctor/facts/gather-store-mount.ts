import { DEFAULT_STORE } from "../../../image.ts";
import path from "node:path";
import {
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../../toplayer/fstab.ts";
import type { CheckFacts } from "../../toplayer/check/facts.ts";
import type { EngineConfig } from "../parse-daemon-json.ts";
import type { StoreMountFacts } from "../facts.ts";

const UNIT_DIRECTORIES = [
  "/etc/systemd/system",
  "/usr/lib/systemd/system",
  "/usr/local/lib/systemd/system",
];
const ENGINES = ["/usr/bin/dockerd", "/usr/sbin/dockerd"];

/** What mounts the image store in the new system, where its engine looks for it. */
export function gatherStoreMount(
  facts: Pick<CheckFacts, "texts" | "stands" | "isRootFilesystem">,
  { dataRoot = DEFAULT_STORE }: Pick<EngineConfig, "dataRoot">,
): StoreMountFacts {
  const mountPoint = dataRoot.replace(/(?<=.)\/+$/, "");
  return {
    hasEngine: ENGINES.some(facts.stands),
    mountPoint,
    by: findMount(facts, mountPoint),
  };
}

/** A line for the mount point, else a unit, else a line for what is above it. */
function findMount(
  facts: Pick<CheckFacts, "texts" | "stands" | "isRootFilesystem">,
  mountPoint: string,
): StoreMountFacts["by"] {
  const above = parseFstab(facts.texts.fstab.text ?? "").entries.filter(
    ({ mountPoint: at, options }) =>
      at !== "/" &&
      `${mountPoint}/`.startsWith(`${at}/`) &&
      !options.includes("noauto"),
  );
  const [deepest] = above.toSorted(
    (a, b) => b.mountPoint.length - a.mountPoint.length || b.line - a.line,
  );
  const unit = `${escapePath(mountPoint)}.mount`;
  const file = UNIT_DIRECTORIES.map((directory) => `${directory}/${unit}`).find(
    facts.stands,
  );
  if (file !== undefined && deepest?.mountPoint !== mountPoint) {
    return { kind: "unit", file };
  }
  return deepest && describeLine(facts, deepest, mountPoint);
}

function describeLine(
  facts: Pick<CheckFacts, "isRootFilesystem">,
  entry: FstabEntry,
  mountPoint: string,
): StoreMountFacts["by"] {
  const { line, source } = entry;
  const subvolume = optionValue(entry, "subvol");
  const below = path.relative(entry.mountPoint, mountPoint);
  return {
    ...{ kind: "fstab", line, source },
    problem: findProblem(facts, entry),
    subvolume:
      subvolume === undefined
        ? undefined
        : path.join("/", subvolume, below).replace(/^\/+|\/+$/g, ""),
  };
}

function findProblem(
  { isRootFilesystem }: Pick<CheckFacts, "isRootFilesystem">,
  entry: FstabEntry,
): string | undefined {
  const { source, fsType, options } = entry;
  if (options.some((option) => /^r?bind$/.test(option))) return undefined;
  if (!["btrfs", "auto"].includes(fsType)) {
    return `of the type ${fsType}, not btrfs`;
  }
  if (isRootFilesystem(source) === false) return "another filesystem";
  return ["subvol", "subvolid"].some(
    (name) => optionValue(entry, name) !== undefined,
  )
    ? undefined
    : "without subvol=";
}

/** As systemd names the unit of a mount point, see systemd.unit(5). */
function escapePath(directory: string): string {
  return directory
    .slice(1)
    .replace(
      /[^\w/:.]/g,
      (character) =>
        `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    )
    .replaceAll("/", "-");
}
