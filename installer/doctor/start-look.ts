import type { ConfigSource } from "../../runtime/options/config.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Generator } from "../generators/generator.ts";
import type { LookIntoInitramfs } from "./look-into-initramfs.ts";

/** What looks at starts, and with what. */
export interface StartLook {
  readonly host: Host;
  readonly generators: readonly Generator[];
  readonly lookInto: LookIntoInitramfs;
  /** Whether the disks here are those of the starts. */
  readonly hasDisks: boolean;
  /** Of the system here. */
  readonly config: ConfigSource | undefined;
}
