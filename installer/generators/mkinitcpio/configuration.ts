/** A file that is read for HOOKS. */
export interface ConfigFile {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly text: string;
}

/** The files that make up one configuration, in the order in which mkinitcpio reads them. */
export type Configuration = readonly ConfigFile[];

/** mkinitcpio puts the files together as they are and reads the whole: so does this. */
export function joinTexts(configuration: Configuration): string {
  return configuration.map(({ text }) => text).join("");
}

export interface Place {
  readonly path: string;
  /** In the file's own text. */
  readonly position: number;
  /** From 1. */
  readonly line: number;
}

/** Where a position of the joined text is. At a border it is the end of the file before. */
export function placeOf(configuration: Configuration, position: number): Place {
  let rest = position;
  for (const [index, { path, text }] of configuration.entries()) {
    if (rest <= text.length || index === configuration.length - 1) {
      const line = text.slice(0, rest).split("\n").length;
      return { path, position: rest, line };
    }
    rest -= text.length;
  }
  throw new Error("a configuration without a file");
}
