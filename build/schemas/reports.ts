import { GENERATOR_NAMES } from "../../installer/generators/generator.ts";
import * as v from "valibot";
import { LOADERS } from "../../installer/loaders/formats/boot-loader.ts";
import { INITRAMFS_KINDS } from "../../runtime/options/table.ts";
import {
  common,
  count,
  described,
  integerOrNull,
  packageChanges,
  slashedPath,
  textOrNull,
  texts,
  version,
} from "./common.ts";

const { digest, image, storeKind, topLayer, failure } = common;
const { timedStep, uuid } = common;

const numberOrNull = v.nullable(v.number());

const rootOnDisk = v.strictObject({
  role: v.picklist(["rwlayer", "generation"]),
  path: v.string(),
  uuid: v.nullable(uuid),
  isRoot: described(v.boolean(), "Whether it is what booted."),
  state: described(
    v.picklist(["complete", "incomplete", "foreign"]),
    "foreign: not made by dockroot.",
  ),
  boot: integerOrNull,
  image: v.nullable(image),
  size: described(
    v.nullable(
      v.strictObject({
        referencedBytes: described(
          v.nullable(count),
          "null of a root that is an overlay.",
        ),
        exclusiveBytes: described(count, "What deleting it would free."),
      }),
    ),
    "Of a subvolume null without quotas.",
  ),
});

const deployedImage = v.strictObject({
  reference: described(v.string(), "As its engine prints it."),
  id: digest,
  repoDigest: described(
    textOrNull,
    "What the registry calls it; null for one that was built here.",
  ),
});

const tries = v.nullable(v.strictObject({ left: count, done: count }));

const deploymentInShort = v.strictObject({
  n: count,
  image: deployedImage,
  kernel: described(v.string(), "Its release, as uname -r prints it."),
});

export const status = v.strictObject({
  version,
  result: v.picklist(["fresh", "kept", "fallback", "generation", "failed"]),
  image: v.nullable(image),
  root: textOrNull,
  rwlayer: textOrNull,
  boot: integerOrNull,
  subvolumeUuid: textOrNull,
  isOverlay: v.nullable(v.boolean()),
  layers: v.nullable(texts),
  device: textOrNull,
  filesystemUuid: textOrNull,
  source: textOrNull,
  toplayer: v.nullable(topLayer),
  deployment: integerOrNull,
  hasModules: v.nullable(v.boolean()),
  failure: v.nullable(failure),
  restored: textOrNull,
  warnings: texts,
  steps: v.array(timedStep),
  totalMs: numberOrNull,
  dockroot: textOrNull,
  node: textOrNull,
  kernel: textOrNull,
  heldLayers: described(
    v.nullable(v.strictObject({ count, bytes: v.nullable(count) })),
    "The layers that dockroot holds for roots that are overlays, and the room that their files take, which the engine's have in common with them until it prunes its own; null where roots are subvolumes.",
  ),
  roots: described(
    v.nullable(v.array(rootOnDisk)),
    "The rwlayer, then the generations, the newest first.",
  ),
  deployments: described(
    v.nullable(
      v.strictObject({
        count,
        bootFileBytes: described(
          count,
          "Of their kernels and initramfs, those that several have counted once.",
        ),
        next: described(
          v.nullable(deploymentInShort),
          "What boots next; null where that is none of them.",
        ),
        tries: described(
          tries,
          "How often what runs may boot still; null where that is not counted, or it is confirmed.",
        ),
        bad: described(
          v.nullable(
            v.strictObject({
              n: count,
              image: deployedImage,
              failure: textOrNull,
              errors: described(
                v.array(v.string()),
                "The last ones of its last boot: in the journal of its root, as journalctl prints them, and of a kernel that panicked.",
              ),
            }),
          ),
          "The one that proved bad, in whose place another one runs.",
        ),
      }),
    ),
    "null also where there are none.",
  ),
  lastFailure: v.nullable(
    v.strictObject({
      path: v.string(),
      text: v.string(),
      isWhole: described(v.boolean(), "Whether the text is all of it."),
    }),
  ),
  unreadable: described(
    v.array(
      v.strictObject({ what: v.string(), why: v.string(), hint: textOrNull }),
    ),
    "What could not be read, and why.",
  ),
});

export const upgrade = v.strictObject({
  version,
  result: described(
    v.picklist(["unchanged", "planned", "upgraded"]),
    "planned: with --dry-run or --check, what would be done.",
  ),
  from: described(
    v.nullable(deploymentInShort),
    "What runs; null where that is no deployment.",
  ),
  to: described(
    v.strictObject({
      ...deploymentInShort.entries,
      isNext: described(
        v.boolean(),
        "Whether it boots next: false where nothing is new, and another one was chosen.",
      ),
      system: described(textOrNull, "What its os-release calls it."),
      generator: described(
        v.nullable(v.picklist(GENERATOR_NAMES)),
        "What makes its initramfs on this machine; null where that is the image's.",
      ),
      bootBytes: described(
        count,
        "Of kernel and initramfs; of one that is to be made, of the kernel.",
      ),
    }),
    "What boots next.",
  ),
  packages: described(
    v.nullable(packageChanges),
    "From what runs; null where that is another system, or cannot be told.",
  ),
  writtenFiles: described(
    integerOrNull,
    "How many files of the present root have other contents since init had it, which the next root lacks; null where that is not known.",
  ),
  offered: described(
    v.nullable(
      v.strictObject({
        configId: described(
          v.nullable(digest),
          "The digest of its configuration; null where that is not known.",
        ),
        bytes: described(
          integerOrNull,
          "Of all its layers, as they are transferred; null where that is not known.",
        ),
      }),
    ),
    "What the registry has and the store has not, with --dry-run or --check.",
  ),
  rollback: described(
    integerOrNull,
    "The deployment that dockroot rollback takes; null where there is none.",
  ),
  removed: described(v.array(count), "Deployments that went."),
  loader: described(v.string(), "The boot loader, as people call it."),
  warnings: texts,
});

export const deployments = v.strictObject({
  version,
  follows: described(textOrNull, "The image that upgrade takes."),
  loader: textOrNull,
  running: described(
    integerOrNull,
    "The deployment that runs; null where none does.",
  ),
  next: described(
    integerOrNull,
    "The deployment that boots next, unless another one does so once.",
  ),
  once: described(
    integerOrNull,
    "The deployment that boots next, once, and next after it; null where none does, or the menu is not seen.",
  ),
  fallback: described(
    integerOrNull,
    "The deployment that boots where that one proves bad; null where that is the newest good one.",
  ),
  deployments: described(
    v.array(
      v.strictObject({
        n: count,
        image: deployedImage,
        state: v.picklist(["staged", "candidate", "good", "bad", "retired"]),
        tries: described(
          tries,
          "How often it may boot before it is confirmed, and how often it has; null where that is not counted.",
        ),
        isPinned: v.boolean(),
        failure: described(textOrNull, "Why it is bad."),
        errors: described(
          v.array(v.string()),
          "Of a bad one, the last errors of its last boot: in the journal of its root, as journalctl prints them, and of a kernel that panicked.",
        ),
        kernel: v.strictObject({
          release: v.string(),
          bytes: described(count, "Of kernel and initramfs."),
          initramfs: described(
            v.picklist(INITRAMFS_KINDS),
            "machine: it was made on this machine, by the generator in the image.",
          ),
        }),
      }),
    ),
    "The oldest first.",
  ),
});

export const resolved = v.strictObject({
  version,
  reference: described(v.string(), "As its engine prints it."),
  id: digest,
  store: storeKind,
  architecture: described(
    textOrNull,
    "As Go names it (amd64, arm64); null where the image says none.",
  ),
  directory: described(
    v.nullable(slashedPath),
    "The image's whole tree: a subvolume of the store; null where it is layers.",
  ),
  lowers: described(
    v.nullable(
      v.pipe(
        v.array(
          v.strictObject({
            directory: slashedPath,
            key: described(
              v.string(),
              "A name for the layer that no other has, nor will have.",
            ),
          }),
        ),
        v.minLength(1),
      ),
    ),
    "What overlayfs makes the tree of, the leaf layer first; null where it is a subvolume.",
  ),
  layers: v.pipe(
    v.array(
      v.strictObject({
        chainId: digest,
        diffId: digest,
        cacheId: described(
          v.string(),
          "The engine's own name for the layer: Docker's cache ID, the number of containerd's snapshot, Podman's layer ID.",
        ),
        sizeBytes: described(
          count,
          "What it adds to the layers below, as the engine has counted it.",
        ),
      }),
    ),
    v.minLength(1),
    v.description("The base layer first."),
  ),
});

export const bootEntry = v.pipe(
  v.strictObject({
    version,
    loader: v.picklist(LOADERS),
    title: v.string(),
    kernel: v.strictObject({
      path: slashedPath,
      version: described(
        textOrNull,
        "as uname -r prints it; null where it is not known",
      ),
      filesystem: v.strictObject({
        device: v.pipe(v.string(), v.startsWith("/dev/")),
        uuid: textOrNull,
        label: textOrNull,
      }),
    }),
    initrds: v.pipe(
      v.array(slashedPath),
      v.minLength(1),
      v.description("in the order in which they are loaded"),
    ),
    options: described(
      v.string(),
      "the kernel options, as /proc/cmdline will have them",
    ),
    entry: described(v.string(), "the entry as the boot loader reads it"),
    written: described(
      textOrNull,
      "the file that it was written to; null where it was not",
    ),
    notes: described(texts, "what was found, and what was guessed"),
    warnings: described(texts, "what may keep it from booting"),
  }),
  v.description(
    "The boot menu entry for this machine. Paths begin with a slash; those of kernel and initrds are from the top level of their filesystem.",
  ),
);
