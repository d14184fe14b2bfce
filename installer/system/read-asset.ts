import fs from "node:fs";
import path from "node:path";
import { getAsset, isSea } from "node:sea";
import { BootError } from "../../runtime/base/errors.ts";

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

/**
 * A file that a build makes (build/pages). The executable has it in it.
 * @throws BootError FILE_UNREADABLE where the sources run and nothing has been built
 */
export function readGenerated(name: string): string {
  if (isSea()) return getAsset(name, "utf8");
  const file = path.join(import.meta.dirname, "../../dist", name);
  try {
    return fs.readFileSync(file, "utf8");
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint: "Build it first: make pages",
    });
  }
}
