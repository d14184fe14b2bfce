export type Architecture = "x64" | "arm64";

/** The architecture to build for, which is this machine's: the executable is run to check it. */
export function hostArchitecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(
    `dockroot is built for x64 and arm64; this machine is ${process.arch}`,
  );
}
