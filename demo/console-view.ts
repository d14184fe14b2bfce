import { styleText, stripVTControlCharacters } from "node:util";
import { lineSplitter } from "../fixtures/run.ts";

export interface ConsoleView {
  /** Takes the console's output as it comes. */
  readonly write: (text: string) => void;
}

/** Shows a machine's console line by line with the time, without what a machine does to a screen. */
export function createConsoleView(stream: NodeJS.WriteStream): ConsoleView {
  const started = Date.now();
  return {
    write: lineSplitter((line) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
      const shown = stripVTControlCharacters(line).trimEnd();
      // Of a line that was written over, its last state.
      const text = shown.replace(/^[^]*\r/, "").replace(/\p{Cc}/gu, "");
      const time = styleText("dim", `${seconds} │`, { stream });
      const style = text.includes("dockroot: ") ? "bold" : "reset";
      stream.write(`${time} ${styleText(style, text, { stream })}\n`);
    }),
  };
}
