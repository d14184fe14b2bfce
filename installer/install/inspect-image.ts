import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  listFiles,
  type Build,
  type Generator,
  type ListedFile,
} from "../generators/generator.ts";
import { hasFile } from "../system/has-file.ts";
import { NotRunError, unlessNotRun } from "../system/tree-host.ts";
import { findProgram, listHelpers } from "./helpers.ts";
import { CONFIG_FILES } from "../../runtime/options/config.ts";
import { parseLdd } from "./plan/helper-version.ts";
import type { ImageNeeds } from "../initramfs/verify-image.ts";
import { isBuiltIn, listInitramfs } from "../system/kernels.ts";
import { isCutShort } from "../initramfs/read-initramfs.ts";

export const EXECUTABLE = "/usr/bin/dockroot";

/** What an initramfs of this system must have. @throws BootError, HelperError */
export async function readImageNeeds(
  host: Host,
  generator: Generator,
  kernelVersion: string,
): Promise<ImageNeeds> {
  const executable = host.files.statusOfTarget(host.path(EXECUTABLE));
  if (executable === undefined) {
    throw new BootError("INSTALL_FAILED", `${EXECUTABLE} is missing`);
  }
  const helpers = listHelpers(host);
  const programs = [
    EXECUTABLE,
    ...helpers.map((name) => requireProgram(host, name)),
  ];
  return {
    executableBytes: executable.sizeBytes,
    helpers,
    libraries: await readLibraries(host, programs),
    needsModule: isBuiltIn(host, kernelVersion, "btrfs", "overlay") !== true,
    hooks: generator.hooksInImage,
    configs: CONFIG_FILES.filter((file) => hasFile(host, file)).map((file) =>
      file.slice(1),
    ),
  };
}

/** @returns `undefined` where nothing is run: ldd(1) runs the programs' own loader */
async function readLibraries(
  host: Host,
  programs: readonly string[],
): Promise<string[] | undefined> {
  try {
    const { stdout } = await host.run(["ldd", ...programs], {
      // A program without libraries is no failure.
      okExitCodes: [0, 1],
    });
    return parseLdd(stdout.toString("utf8"));
  } catch (error) {
    if (error instanceof NotRunError) return undefined;
    throw error;
  }
}

function requireProgram(host: Host, name: string): string {
  const found = findProgram(host, name);
  if (found !== undefined) return found;
  throw new BootError("HELPER_MISSING", `${name} is not installed`);
}

/** The files in an image. @throws BootError INSTALL_FAILED where it cannot be read */
export async function listImage(
  host: Host,
  generator: Generator,
  image: string,
): Promise<readonly ListedFile[]> {
  try {
    return await listFiles(host, generator, image);
  } catch (cause) {
    if (!(cause instanceof HelperError)) throw cause;
    throw new BootError("INSTALL_FAILED", `cannot list the files in ${image}`, {
      cause,
      hint: "Is it an initramfs? Its generator must be able to list it.",
    });
  }
}

/**
 * The same, without running anything where nothing may run.
 * @returns `undefined` where it cannot be read, so that it has to be built anew
 * @throws NotRunError where only the generator could read it
 */
export async function listIfReadable(
  host: Host,
  generator: Generator,
  image: string,
): Promise<readonly ListedFile[] | undefined> {
  try {
    return await listFiles(host, generator, image);
  } catch (error) {
    if (error instanceof HelperError && error.kind === "exit") return undefined;
    if (!(error instanceof NotRunError)) throw error;
    try {
      return await listInitramfs(host, image);
    } catch (failure) {
      if (isCutShort(failure)) return undefined;
      throw failure instanceof Error ? error : failure;
    }
  }
}

/** Whether this is a machine that has started, so that it can tell what hardware it has; no container or chroot. */
export function isRunningMachine(host: Host): boolean {
  return (
    hasFile(host, "/run/systemd/system") &&
    !hasFile(host, "/run/systemd/container")
  );
}

/** The builds for images that are needed. */
export function findBuilds(
  host: Host,
  generator: Generator,
  notChecked: string[],
  isNeeded: (build: Build) => Promise<boolean>,
): Promise<Build[]> {
  return unlessNotRun(
    notChecked,
    [],
    "which images are to be built",
    async () => {
      const drivers = isRunningMachine(host) ? "configured" : "any";
      const needed: Build[] = [];
      for (const build of await generator.builds(host, drivers)) {
        if (await isNeeded(build)) needed.push(build);
      }
      return needed;
    },
  );
}
