import { DEFAULT_STORE } from "../../../image.ts";
import { optionValue, parseFstab } from "../../toplayer/fstab.ts";
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
  { texts, stands }: Pick<CheckFacts, "texts" | "stands">,
  { dataRoot = DEFAULT_STORE }: Pick<EngineConfig, "dataRoot">,
): StoreMountFacts {
  const mountPoint = dataRoot.replace(/(?<=.)\/+$/, "");
  return {
    hasEngine: ENGINES.some(stands),
    mountPoint,
    by: findMount({ texts, stands }, mountPoint),
  };
}

function findMount(
  { texts, stands }: Pick<CheckFacts, "texts" | "stands">,
  mountPoint: string,
): StoreMountFacts["by"] {
  const entry = parseFstab(texts.fstab.text ?? "").entries.findLast(
    (other) =>
      other.mountPoint === mountPoint && !other.options.includes("noauto"),
  );
  if (entry !== undefined) {
    const subvolume = optionValue(entry, "subvol")?.replace(/^\/+|\/+$/g, "");
    return { kind: "fstab", line: entry.line, subvolume };
  }
  const unit = `${escapePath(mountPoint)}.mount`;
  const file = UNIT_DIRECTORIES.map((directory) => `${directory}/${unit}`).find(
    stands,
  );
  return file === undefined ? undefined : { kind: "unit", file };
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
