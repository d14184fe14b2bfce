import type { Flags } from "../../runtime/base/flags.ts";
import { INITRAMFS_KINDS } from "../../runtime/options/table.ts";
import type { Command } from "./command.ts";
import { installFlags, json, loaderFlag, storeFlags } from "./flags.ts";

const PULLS = ["auto", "always", "never"] as const;

const upgradeFlags = {
  pull: {
    type: "string",
    placeholder: "WHEN",
    values: PULLS,
    describe:
      "whether the engine pulls the image first: auto, always, never (take what is in the store) [auto: not what was built here]",
  },
  kernel: {
    type: "string",
    placeholder: "RELEASE",
    describe: "the kernel of the image, where it has several [the newest]",
  },
  initramfs: {
    type: "string",
    placeholder: "KIND",
    values: INITRAMFS_KINDS,
    describe:
      "image: the one in the image; machine: its generator makes it here, with this machine's drivers [initramfs in dockroot.json, else image]",
  },
  tries: {
    type: "string",
    placeholder: "N",
    describe:
      "how often it may boot before it is confirmed; 0: that is not counted [3]",
  },
  loader: loaderFlag,
  ...storeFlags,
  "dry-run": installFlags["dry-run"],
  reboot: { type: "boolean", describe: "restart the machine at the end" },
  verbose: installFlags.verbose,
  json,
} as const satisfies Flags;

const changeFlags = {
  ...storeFlags,
  "dry-run": installFlags["dry-run"],
  verbose: installFlags.verbose,
  json,
} as const satisfies Flags;

/** The commands for deployments. */
export const deploymentCommands = {
  upgrade: {
    summary: "make the next boot run the newest image, with its kernel",
    operands: {
      usage: "[REF]",
      describe:
        "another image, for this time [the one that this machine follows]",
    },
    flags: {
      check: {
        type: "boolean",
        describe:
          "only tell whether there is something new: exit status 3 where there is",
      },
      ...upgradeFlags,
    },
    needsRoot: true,
    examples: [
      ["dockroot upgrade", "pull, keep, and boot it next"],
      ["dockroot upgrade --pull never", "take what the image store has"],
      ["dockroot upgrade --check", "is there something new?"],
    ],
  },
  switch: {
    summary: "make this machine follow another image",
    operands: { usage: "REF", describe: "name, name:tag, or name@sha256:..." },
    flags: upgradeFlags,
    needsRoot: true,
    examples: [["dockroot switch sample_image:next", "from now on"]],
  },
  deployments: {
    summary: "list the images that this machine can boot, and which is next",
    flags: { ...storeFlags, json },
    needsRoot: true,
    examples: [["dockroot deployments", "what can I go back to?"]],
  },
  rollback: {
    summary: "make an earlier deployment the one that boots next",
    operands: {
      usage: "[N]",
      describe: "its number [the newest other one that has booted]",
    },
    flags: {
      once: {
        type: "boolean",
        describe: "only for the next boot; then what boots by itself so far",
      },
      ...changeFlags,
    },
    needsRoot: true,
    examples: [
      ["dockroot rollback", "back to the one before"],
      ["dockroot rollback 3", "to that one"],
      ["dockroot rollback 3 --once", "have a look at it"],
    ],
  },
  confirm: {
    summary:
      "declare the deployment that runs good: it stays the one that boots",
    flags: {
      after: {
        type: "string",
        placeholder: "SECONDS",
        describe: "wait so long before",
      },
      failed: {
        type: "boolean",
        describe:
          "it has failed instead: restart the machine, if its boots are counted",
      },
      automatic: {
        type: "boolean",
        describe:
          "as the service does it: not with dockroot.confirm=manual, nor before somebody has logged in with dockroot.confirm=login; and where it has booted with the kernel of a bad deployment, restart the machine, once, for its own",
      },
      "give-back": {
        type: "boolean",
        describe:
          "neither: the system shuts down in good order, and this boot does not count",
      },
      ...storeFlags,
      verbose: installFlags.verbose,
      json,
    },
    needsRoot: true,
    examples: [["dockroot confirm", "it works"]],
  },
  pin: {
    summary: "keep a deployment, whatever comes after it",
    operands: { usage: "N", describe: "its number" },
    flags: {
      off: { type: "boolean", describe: "let it go like any other" },
      ...changeFlags,
    },
    needsRoot: true,
    examples: [["dockroot pin 2", "until dockroot pin --off 2"]],
  },
  remove: {
    summary: "remove a deployment: its menu entry, boot files and image",
    operands: { usage: "N", describe: "its number" },
    flags: changeFlags,
    needsRoot: true,
    examples: [["dockroot remove 2", "what runs or boots next stays"]],
  },
  gc: {
    summary: "remove deployments past the limit, and what was interrupted",
    flags: changeFlags,
    needsRoot: true,
    examples: [["dockroot gc --dry-run", "what would go?"]],
  },
} as const satisfies Readonly<Record<string, Command>>;
