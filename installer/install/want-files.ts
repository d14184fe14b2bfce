import { createHash } from "node:crypto";
import type { Generator } from "../generators/generator.ts";
import { readAsset } from "../system/read-asset.ts";
import { EXECUTABLE } from "./image-needs.ts";
import type { WantedFile } from "./plan/plan-install.ts";

/** A file of a text that is to be there. @param mode `undefined`: as it is */
export function wantText(
  path: string,
  text: string,
  mode?: number,
  isEdit = false,
): WantedFile {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { path, content: { text }, sha256, mode, isEdit };
}

/** The generator's own files. */
export function wantHooks(generator: Generator): WantedFile[] {
  return generator.files.map(({ path, asset, mode }) =>
    wantText(path, readAsset(asset), mode),
  );
}

/** /usr/bin/dockroot. @param executable the one that runs */
export function wantExecutable(executable: {
  readonly path: string;
  readonly sha256: string;
}): WantedFile {
  return {
    path: EXECUTABLE,
    content: { copyOf: executable.path },
    sha256: executable.sha256,
    mode: 0o755,
    isEdit: false,
  };
}

/** Stands for all that an initramfs is made of here: another one means that it has to be made anew. */
export function hashWanted(files: readonly WantedFile[]): string {
  const hash = createHash("sha256");
  for (const { path, sha256 } of files) hash.update(`${path} ${sha256}\n`);
  return hash.digest("hex");
}
