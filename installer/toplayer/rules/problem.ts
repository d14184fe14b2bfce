import { quote } from "../../text/quote.ts";
import type { CheckedEntry } from "./check-facts.ts";

/** What is wrong with a top layer. */
export interface Problem {
  /** An error would stop the start, lock somebody out, or give away a secret. */
  readonly level: "error" | "warning";
  /** Stable, for programs. */
  readonly rule: string;
  /** Which layer, from 0; `null` where it is not one entry's. */
  readonly layer: number | null;
  readonly path: string | null;
  readonly message: string;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

/** A problem of one entry. */
export function problemOf(
  { layer, path }: Pick<CheckedEntry, "layer" | "path">,
  level: Problem["level"],
  rule: string,
  message: string,
  remedy: string,
): Problem {
  return { level, rule, layer, path, message, remedy };
}

/** A command, to be run in the layer's directory. */
export function inLayer(command: string, { path }: { path: string }): string {
  return `In the top layer's directory: ${command} ${quote(`.${path}`)}`;
}

export const formatMode = (mode: number) => mode.toString(8).padStart(4, "0");
