import type { Random } from "../../../fixtures/random.ts";

export type Samples = readonly [string, ...string[]];

/** A parser under fire. */
export interface Target {
  readonly name: string;
  readonly samples: Samples;
  /** Parses the text and checks what came out. @throws BootError where it refuses it */
  readonly parse: (text: string, random: Random) => void;
}
