import type { Host } from "../host/host.ts";

const OTHER_NAMES: Readonly<Record<string, string>> = { x64: "amd64" };

/** What images call this machine's architecture, as Go does (https://go.dev/doc/install/source#environment). */
export function goArchitecture({ architecture }: Host): string {
  return OTHER_NAMES[architecture] ?? architecture;
}
