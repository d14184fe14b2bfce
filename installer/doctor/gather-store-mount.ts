import path from "node:path";
import {
  directoryOf,
  type EngineConfigs,
  programOf,
  type Home,
} from "../engines/engine-configs.ts";
import {
  isMounted,
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../system/formats/fstab.ts";
import type { CheckFacts } from "../toplayer/rules/check-facts.ts";
import type { StoreMountFacts } from "./rules/facts.ts";

const UNIT_DIRECTORIES = [
  "/etc/systemd/system",
  "/usr/lib/systemd/system",
  "/usr/local/lib/systemd/system",
];

const ENGINES = {
  docker: ["/usr/bin/dockerd", "/usr/sbin/dockerd"],
  podman: ["/usr/bin/podman"],
} as const;

/** What mounts the image store in the new system, where its engine looks for it. */
export function gatherStoreMount(
  facts: Pick<CheckFacts, "texts" | "stands" | "isRootFilesystem">,
  engines: EngineConfigs,
  home: Home,
): StoreMountFacts {
  const mountPoint = directoryOf(engines, home);
  return {
    home,
    hasEngine: ENGINES[programOf(home)].some(facts.stands),
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
    (entry) =>
      entry.mountPoint !== "/" &&
      `${mountPoint}/`.startsWith(`${entry.mountPoint}/`) &&
      isMounted(entry),
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
