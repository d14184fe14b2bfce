import * as v from "valibot";
import { MANAGERS } from "../../installer/packages/formats/package-lists.ts";
import { STORE_KINDS } from "../../runtime/options/table.ts";

/** Describes a value, for the reader of the JSON Schema. */
export function described<const Shape extends v.GenericSchema>(
  shape: Shape,
  description: string,
) {
  return v.pipe(shape, v.description(description));
}

export const version = v.literal(1);

export const integerOrNull = v.nullable(v.pipe(v.number(), v.integer()));

export const count = v.pipe(v.number(), v.integer(), v.minValue(0));

export const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

export const texts = v.array(v.string());

export const textOrNull = v.nullable(v.string());

export const slashedPath = v.pipe(v.string(), v.startsWith("/"));

export const fileKind = v.picklist([
  "file",
  "directory",
  "symlink",
  "FIFO",
  "socket",
  "block-device",
  "character-device",
  "overlay-whiteout",
]);

const packageVersion = v.strictObject({
  name: v.string(),
  version: v.string(),
});

export const packageChanges = v.strictObject({
  manager: v.picklist(MANAGERS),
  added: v.array(packageVersion),
  removed: v.array(packageVersion),
  changed: v.array(
    v.strictObject({
      name: v.string(),
      from: v.string(),
      to: v.string(),
    }),
  ),
});

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));

const image = v.strictObject({
  reference: described(v.string(), "As Docker prints it."),
  id: digest,
});

const storeKind = described(
  v.picklist(STORE_KINDS),
  "Whose store it is in, as dockroot.store= names it: Docker's own, containerd's or Podman's.",
);

const imageSource = described(
  v.picklist([...STORE_KINDS, "kept"]),
  "Whose store it is in, or kept: it is one of those that dockroot keeps for deployments.",
);

const topLayer = v.strictObject({
  name: described(v.string(), "As the kernel options name it."),
  digest: described(v.string(), "Changes with any change of its tree."),
  files: count,
  directories: count,
  symlinks: count,
  others: described(count, "FIFOs, devices and sockets."),
  bytes: described(count, "The apparent size of the files."),
});

const failure = v.strictObject({
  code: described(v.string(), "Stable, for programs."),
  message: v.string(),
  causes: described(
    texts,
    "The nearest one first; none where they name files of the top layer.",
  ),
  hint: v.optional(described(v.string(), "What to do.")),
});

const timedStep = v.strictObject({
  step: v.string(),
  durationMs: v.pipe(v.number(), v.minValue(0)),
});

const uuid = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
);

/** What several schemas have in common: each is a definition of common.schema.json. */
export const common = {
  digest,
  image,
  storeKind,
  imageSource,
  topLayer,
  failure,
  timedStep,
  uuid,
};
