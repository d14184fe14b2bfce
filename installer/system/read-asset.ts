import fs from "node:fs";
import path from "node:path";
import { getAsset, isSea } from "node:sea";

/**
 * A file of installer/assets: one that gets installed. The executable has them in it.
 * @param name its path below installer/assets
 */
export function readAsset(name: string): string {
  return isSea()
    ? getAsset(name, "utf8")
    : fs.readFileSync(
        path.join(import.meta.dirname, "../assets", name),
        "utf8",
      );
}
