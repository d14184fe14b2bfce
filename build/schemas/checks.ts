import * as v from "valibot";
import { SEVERITIES, SUBJECTS } from "../../installer/doctor/rules/finding.ts";
import {
  common,
  count,
  described,
  fileKind,
  integerOrNull,
  textOrNull,
  texts,
  version,
} from "./common.ts";

const { digest, image, imageSource } = common;

export const doctor = v.strictObject({
  version,
  isRunningSystem: described(
    v.boolean(),
    "Whether the system here is the one that the kernel has booted; false for an image in the making, a container, or a chroot.",
  ),
  starts: described(
    v.array(
      v.strictObject({
        names: v.pipe(texts, v.minLength(1)),
        image: described(
          v.nullable(
            v.strictObject({
              reference: described(v.string(), "As its engine prints it."),
              id: digest,
              store: imageSource,
            }),
          ),
          "null where none was found.",
        ),
      }),
    ),
    "The boots of an image: this one's, and those of boot entries. Those that come to the same are one.",
  ),
  findings: described(
    v.array(
      v.strictObject({
        severity: described(
          v.picklist(SEVERITIES),
          "stops: it would stop a boot, or leave a system that nobody can use; falls-back: an earlier root would boot; unknown: it cannot be known here.",
        ),
        subject: v.picklist(SUBJECTS),
        message: v.string(),
        remedy: described(
          textOrNull,
          "What to do; null where nothing is to be done.",
        ),
      }),
    ),
    "The worst first.",
  ),
});

export const topLayerCheck = v.strictObject({
  version,
  image,
  layers: v.pipe(
    texts,
    v.minLength(1),
    v.description("In the order in which they are laid over the image."),
  ),
  entries: v.array(
    v.strictObject({
      layer: described(count, "From 0."),
      path: described(v.string(), "In the layer, with a slash before it."),
      kind: fileKind,
      effect: v.picklist([
        "add",
        "replace",
        "merge",
        "delete",
        "empty",
        "skip",
      ]),
      target: described(v.string(), "In the new root."),
      through: described(textOrNull, "The symlink that leads to the target."),
      replaced: described(v.nullable(fileKind), "The kind of what was there."),
    }),
  ),
  problems: described(
    v.array(
      v.strictObject({
        level: v.picklist(["error", "warning"]),
        rule: described(v.string(), "Stable, for programs."),
        layer: integerOrNull,
        path: textOrNull,
        message: v.string(),
        remedy: described(v.string(), "What to do."),
      }),
    ),
    "Errors first.",
  ),
});
