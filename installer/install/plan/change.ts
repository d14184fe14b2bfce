/** What a file is to hold. */
export type Content =
  | { readonly text: string }
  /** The file of that absolute path, as it is before any change is made. */
  | { readonly copyOf: string };

/** A file that is to be other than it is. */
export type Change =
  | {
      readonly kind: "write";
      readonly path: string;
      readonly content: Content;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: "remove"; readonly path: string }
  /** Another program may replace it: only what it is now is kept. */
  | { readonly kind: "keep"; readonly path: string };
