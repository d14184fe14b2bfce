import type { Host } from "../../runtime/host/host.ts";

/** The versions of the kernels whose modules are there. */
export function kernelVersions(host: Host): string[] {
  const { namesIn, statusOfTarget } = host.files;
  return namesIn(host.path("/lib/modules")).filter(
    // A directory without it is what a removed kernel left.
    (version) =>
      statusOfTarget(host.path(`/lib/modules/${version}/modules.dep`))?.kind ===
      "file",
  );
}
