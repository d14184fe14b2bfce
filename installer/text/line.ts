import type { Terminal } from "../cli/surroundings.ts";

/** A line of text, not escaped yet, as a whole in one colour. */
export interface Line {
  readonly text: string;
  readonly format?: Parameters<Terminal["style"]>[0];
}

export const plain = (text: string): Line => ({ text });
export const title = (text: string): Line => ({ text, format: "bold" });
export const alarm = (text: string): Line => ({
  text,
  format: ["bold", "red"],
});
