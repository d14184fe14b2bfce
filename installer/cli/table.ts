import { bootFlags, finishFlags } from "../../runtime/boot/boot-flags.ts";
import type { FlagValues } from "../../runtime/base/flags.ts";
import type { Command } from "./command.ts";
import { deploymentCommands } from "./deployment-commands.ts";
import {
  imageFlag,
  installFlags,
  json,
  loaderFlag,
  storeFlags,
} from "./flags.ts";

export type { Command, Operands } from "./command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/**
 * The table of commands. Parsing, help, completions (build/pages) and the manual page come from it;
 * installer/commands has a handler for each.
 */
const commands = {
  boot: {
    summary:
      "make this boot's root from the image (in the initramfs, before root is mounted)",
    flags: bootFlags,
    examples: [
      [
        "dockroot boot --dry-run",
        "print what a boot would do and change nothing",
      ],
    ],
  },
  finish: {
    summary:
      "release what boot left mounted, remove old generations (after root is mounted)",
    flags: finishFlags,
    examples: [["dockroot finish", "clean up after the boot in /run/dockroot"]],
  },
  install: {
    summary: "put dockroot into the initramfs of this system",
    flags: installFlags,
    needsRoot: true,
    examples: [
      ["dockroot install --image sample_image", "in a Dockerfile or on a PC"],
      ["dockroot install --dry-run", "print what that would do"],
    ],
  },
  uninstall: {
    summary: "undo what install did, and nothing else",
    flags: {
      root: {
        ...installFlags.root,
        describe: "uninstall from the system in DIR instead of this one",
      },
      "no-build": installFlags["no-build"],
      "dry-run": installFlags["dry-run"],
      yes: installFlags.yes,
      verbose: installFlags.verbose,
    },
    needsRoot: true,
    examples: [["dockroot uninstall", "and build the initramfs without it"]],
  },
  ...deploymentCommands,
  diff: {
    summary:
      "show what has changed in the root that runs: the next one is without it",
    operands: {
      usage: "[PATH...]",
      describe: "only what is there, or below it [everything]",
    },
    flags: {
      generation: {
        type: "string",
        placeholder: "N",
        describe: "of an earlier root instead; dockroot status lists them",
      },
      all: {
        type: "boolean",
        describe:
          "list every change, also what a system writes by itself: caches, logs, locks",
      },
      "exit-code": {
        type: "boolean",
        describe: "exit status 3 where something has changed",
      },
      ...storeFlags,
      json,
    },
    needsRoot: true,
    examples: [
      ["dockroot diff", "what would a reboot lose?"],
      ["dockroot diff /etc", "of the configuration alone"],
      ["dockroot diff --generation 4", "what did the one before lose?"],
    ],
  },
  status: {
    summary: "show what booted, how, and which earlier roots exist",
    flags: {
      "run-dir": {
        type: "string",
        placeholder: "DIR",
        describe: "where boot left its record [/run/dockroot]",
      },
      json: { ...json, describe: "print the status as JSON" },
    },
    examples: [["dockroot status", "shows more when run as root"]],
  },
  doctor: {
    summary: "find what would stop a boot, and what to do about it",
    flags: {
      image: imageFlag,
      root: {
        ...installFlags.root,
        describe: "check the system in DIR instead of this one",
      },
      json,
    },
    needsRoot: true,
    examples: [
      [
        "dockroot doctor",
        "this machine, its boot entries, and the image they name",
      ],
      ["dockroot doctor --image sample_image:next", "with another image"],
    ],
  },
  resolve: {
    summary:
      "show which image a reference names in the image store, and where it is",
    operands: {
      usage: "REF",
      describe: "name, name:tag, name@sha256:..., or an image ID",
    },
    flags: {
      ...storeFlags,
      json: {
        ...json,
        describe: "print the result as JSON, with full IDs",
      },
    },
    examples: [
      ["dockroot resolve sample_image:latest", "its ID, layers, directory"],
    ],
  },
  "boot-entry": {
    summary: "print the boot menu entry for this machine, or write it",
    flags: {
      loader: loaderFlag,
      output: {
        type: "string",
        placeholder: "[FILE]",
        describe:
          "write the entry to FILE, or without FILE to where the boot loader looks for it",
      },
      image: {
        ...imageFlag,
        describe:
          "the image that the entry is to boot, instead of the one that the initramfs names",
      },
      toplayer: {
        type: "string",
        placeholder: "DIR",
        describe:
          "the top layer's directory [this boot's, or boot_docker on the top level]",
      },
      ...storeFlags,
      json,
    },
    needsRoot: true,
    check: ({ loader, output }) =>
      loader === "efistub" && output === ""
        ? "the firmware keeps its entries in no file: run the command that boot-entry --loader efistub prints, or name a FILE for it"
        : undefined,
    examples: [
      ["dockroot boot-entry", "for the boot loader found"],
      ["dockroot boot-entry --output", "write it where the boot loader looks"],
    ],
  },
  "toplayer check": {
    summary:
      "show what a top layer changes in the image, and what is wrong with it",
    operands: {
      usage: "[DIR...]",
      describe:
        "the top layer's directories, in the order in which they are applied [those of this boot]",
    },
    flags: {
      image: imageFlag,
      ...storeFlags,
      all: {
        type: "boolean",
        describe: "list every entry, also those of new directories",
      },
      json,
    },
    needsRoot: true,
    examples: [
      ["dockroot toplayer check", "the top layer of this boot"],
      [
        "dockroot toplayer check common laptop",
        "two top layers, the second applied over the first",
      ],
    ],
  },
  "toplayer init": {
    summary: "create a top layer from the running system; overwrite nothing",
    operands: {
      usage: "DIR",
      describe: "the top layer's directory, created if it does not exist",
    },
    flags: {
      yes: {
        type: "boolean",
        describe: "ask nothing: copy root's password and all user accounts",
      },
      image: imageFlag,
      ...storeFlags,
    },
    needsRoot: true,
    examples: [
      [
        "dockroot toplayer init /mnt/boot_docker",
        "asks which accounts to copy",
      ],
    ],
  },
  completion: {
    summary: "print a script that completes dockroot's command line in a shell",
    operands: {
      usage: "SHELL",
      describe: SHELLS.join(", "),
      values: SHELLS,
    },
    flags: {},
    examples: [["dockroot completion bash", "for bash; likewise zsh and fish"]],
  },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof commands;

/** The options of a command, by its name. */
export type FlagsOf<Name extends CommandName> = FlagValues<
  (typeof commands)[Name]["flags"]
>;

/** The same for those who know no names: `toplayer check` is one of two words. */
export const commandTable: ReadonlyMap<string, Command> = new Map(
  Object.entries(commands),
);

/** The summaries of the words that commands of two words begin with. */
export const groups: ReadonlyMap<string, string> = new Map([
  [
    "toplayer",
    "prepare this machine's top layer (toplayer check, toplayer init)",
  ],
]);

/** The commands by their first words. */
export const commandNames: ReadonlyMap<string, readonly string[]> = Map.groupBy(
  commandTable.keys(),
  (name) => name.split(" ")[0] ?? "",
);
