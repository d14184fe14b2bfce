import type { Host } from "./host/host.ts";

const GO_ARCHITECTURES: Record<string, string> = {
  x64: "amd64",
  arm64: "arm64",
};

/** What images call this machine's architecture. */
export function goArchitecture({ architecture }: Host): string {
  return GO_ARCHITECTURES[architecture] ?? architecture;
}
