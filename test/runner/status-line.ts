import { styleText } from "node:util";

/** Prints lines, and on a terminal one line below them that tells what is being done. */
export interface StatusLine {
  readonly print: (text: string) => void;
  readonly show: (text: string) => void;
  readonly clear: () => void;
}

const REDRAW_MS = 1000;

export function createStatusLine(stream: NodeJS.WriteStream): StatusLine {
  let shown = "";
  let begin = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const erase = () => {
    if (timer !== undefined) stream.write("\r\x1b[K");
  };
  const draw = () => {
    if (timer === undefined) return;
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    const line = `… ${seconds} s: ${shown}`.slice(0, stream.columns - 1);
    stream.write(`\r\x1b[K${styleText("dim", line, { stream })}`);
  };
  return {
    print: (text) => {
      erase();
      stream.write(`${text}\n`);
      draw();
    },
    show: (text) => {
      if (!stream.isTTY) return;
      timer ??= setInterval(draw, REDRAW_MS).unref();
      if (text !== shown) begin = performance.now();
      shown = text;
      draw();
    },
    clear: () => {
      erase();
      clearInterval(timer);
      timer = undefined;
    },
  };
}
