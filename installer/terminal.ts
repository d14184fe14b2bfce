import type { styleText } from "node:util";

/** What a command's text is made for. */
export interface Terminal {
  /** `undefined` where stdout is no terminal. */
  readonly columns: number | undefined;
  /** Leaves the text as it is where there are no colours. */
  readonly style: (
    format: Parameters<typeof styleText>[0],
    text: string,
  ) => string;
}
