/** What becomes of the top layer's entry, as a person would say it. */
export type Outcome =
  | "added"
  /** It alone stands where something else stood. */
  | "replaced"
  | "replaced, told"
  | "merged"
  | "merged in the target"
  /** The image's is as it was. */
  | "kept, told"
  | "removed"
  | "nothing"
  | "nothing, told";

/** What stands in the image: the columns of the table. */
export const IMAGE_KINDS = [
  "nothing",
  "a file",
  "a directory",
  "a symlink to a file",
  "a symlink to a directory",
  "a dangling symlink",
  "a looping symlink",
  "a FIFO",
] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

type Row = readonly [
  ...[Outcome, Outcome, Outcome, Outcome],
  ...[Outcome, Outcome, Outcome, Outcome],
];

// prettier-ignore
const REPLACES: Row = [
  // nothing, a file, a directory
  "added", "replaced", "replaced, told",
  // a symlink: to a file, to a directory, dangling, looping
  "replaced", "replaced", "replaced", "replaced",
  // a FIFO
  "replaced",
];

/** What is in the top layer, to what becomes of it on each of IMAGE_KINDS in turn. */
// prettier-ignore
export const CASES = {
  "a file": REPLACES,
  "a directory": [
    "added", "replaced, told", "merged",
    "replaced, told", "merged in the target", "replaced, told", "replaced, told",
    "replaced, told",
  ],
  "a symlink": REPLACES,
  "a hard link": REPLACES,
  "a FIFO": REPLACES,
  "a device": REPLACES,
  "a socket": [
    "nothing, told", "kept, told", "kept, told",
    "kept, told", "kept, told", "kept, told", "kept, told",
    "kept, told",
  ],
  "a whiteout": [
    "nothing", "removed", "removed",
    "removed", "removed", "removed", "removed",
    "removed",
  ],
} as const satisfies Readonly<Record<string, Row>>;
export type LayerKind = keyof typeof CASES;
