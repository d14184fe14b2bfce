import path from "node:path";
import { BootError } from "../../runtime/host/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Generator } from "../generators/generator.ts";
import { hasFile } from "../generators/has-file.ts";
import { helperNames } from "./helpers.ts";
import { CONFIG_FILE, FORMER_CONFIG_FILE } from "./make-config.ts";
import { parseLdd } from "./parse-ldd.ts";
import type { ImageNeeds } from "./verify-image.ts";

export const EXECUTABLE = "/usr/bin/dockroot";
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** What an initramfs of this system must have. @throws BootError, HelperError */
export async function readImageNeeds(
  host: Host,
  generator: Generator,
  kernelVersion: string,
): Promise<ImageNeeds> {
  const executable = host.files.statusOfTarget(host.path(EXECUTABLE));
  if (executable === undefined) {
    throw new BootError("INSTALL_FAILED", `${EXECUTABLE} has gone`);
  }
  const programs = [
    EXECUTABLE,
    ...helperNames.map((name) => findProgram(host, name)),
  ];
  const config = [CONFIG_FILE, FORMER_CONFIG_FILE].find((file) =>
    hasFile(host, file),
  );
  const { stdout } = await host.run(["ldd", ...programs], {
    // A program without libraries is no failure.
    okExitCodes: [0, 1],
  });
  return {
    executableBytes: executable.sizeBytes,
    helpers: helperNames,
    libraries: parseLdd(stdout.toString("utf8")),
    needsBtrfsModule: !isBuiltIn(host, kernelVersion),
    hooks: generator.hooksInImage,
    config: config?.slice(1),
  };
}

/** As generators look for it. */
function findProgram(host: Host, name: string): string {
  const directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const found = directories
    .map((directory) => path.join(directory, name))
    .find((file) => hasFile(host, file));
  if (found !== undefined) return found;
  throw new BootError("HELPER_MISSING", `there is no ${name} here`);
}

function isBuiltIn(host: Host, kernelVersion: string): boolean {
  const list = host.readText(
    `/lib/modules/${kernelVersion}/modules.builtin`,
    MAX_LIST_BYTES,
  );
  return list?.split("\n").some((name) => name.endsWith("/btrfs.ko")) ?? false;
}
