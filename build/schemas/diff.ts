import * as v from "valibot";
import { ASPECTS } from "../../installer/diff/formats/change.ts";
import { GROUPS } from "../../installer/diff/formats/group-changes.ts";
import {
  common,
  count,
  described,
  fileKind,
  packageChanges,
  positive,
  slashedPath,
  textOrNull,
  version,
} from "./common.ts";

const change = v.strictObject({
  path: described(slashedPath, "In the root; what is not UTF-8 is replaced."),
  kind: described(
    v.picklist(["added", "deleted", "changed"]),
    "Of a directory that came or went: with all that is in it, unless that is listed itself.",
  ),
  type: described(fileKind, "Of what is there now, or of what is deleted."),
  aspects: described(
    v.array(v.picklist(ASPECTS)),
    "In what it differs; empty of what came or went.",
  ),
  files: described(
    count,
    "How many came or went with a directory; 1 of all else.",
  ),
  bytes: count,
  group: described(
    v.picklist(GROUPS),
    "What it is about, that which would be regretted most first.",
  ),
  noise: described(
    textOrNull,
    "Why nobody misses it; null of all that is listed without --all.",
  ),
});

export const diff = v.strictObject({
  version,
  root: v.strictObject({
    path: described(v.string(), "Relative to the top level."),
    boot: described(positive, "The number of the boot that made it."),
    image: common.image,
  }),
  changes: described(
    v.array(change),
    "Since init got the root; a directory before what is in it.",
  ),
  leftOut: described(
    count,
    "How many are not listed, since a system writes them by itself (--all).",
  ),
  packages: described(
    v.nullable(packageChanges),
    "null where that cannot be told.",
  ),
  hasXattrs: described(
    v.boolean(),
    "Whether extended attributes, ACLs and file capabilities were compared.",
  ),
  nested: described(
    v.array(slashedPath),
    "The subvolumes in the root: what is in them is not compared.",
  ),
});
