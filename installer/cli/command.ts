import type { Flags, FlagValues } from "../../runtime/base/flags.ts";

/** What the table says of a command. */
export interface Command {
  readonly summary: string;
  readonly operands?: Operands;
  readonly flags: Flags;
  readonly needsRoot?: true;
  /** What is wrong with options that are right each for itself. */
  readonly check?: (flags: FlagValues<Flags>) => string | undefined;
  /** The first one is in the help for all commands, too. */
  readonly examples: readonly [Example, ...Example[]];
}

type Example = readonly [call: string, meaning: string];

/** What a command takes besides options. */
export interface Operands {
  /** `DIR`, `[DIR]` where it may be absent, `[DIR...]` where there may be several. */
  readonly usage: string;
  readonly describe: string;
  readonly values?: readonly string[];
}
