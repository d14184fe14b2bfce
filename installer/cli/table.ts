import { bootFlags, finishFlags } from "../../runtime/boot/boot-flags.ts";
import type { Flags, FlagValues } from "../../runtime/base/flags.ts";
import { INITRAMFS_KINDS, STORE_KINDS } from "../../runtime/options/table.ts";
import { GENERATOR_NAMES } from "../generators/generator.ts";
import { LOADERS } from "../loaders/formats/boot-loader.ts";

/**
 * The table of commands. Parsing, help, completions (build/pages) and the manual page come from it;
 * installer/commands has a handler for each.
 */
export interface Command {
  readonly summary: string;
  readonly operands?: Operands;
  readonly flags: Flags;
  readonly needsRoot?: true;
  /** What is wrong with options that are right each for itself. */
  readonly check?: (flags: FlagValues<Flags>) => string | undefined;
  /** The first one is in the help for all commands, too. */
  readonly examples: readonly [Example, ...Example[]];
}

type Example = readonly [call: string, meaning: string];

/** What a command takes besides options. */
export interface Operands {
  /** `DIR`, `[DIR]` where it may be absent, `[DIR...]` where there may be several. */
  readonly usage: string;
  readonly describe: string;
  readonly values?: readonly string[];
}

const json = { type: "boolean", describe: "print the result as JSON" } as const;

const storeFlags = {
  "store-path": {
    type: "string",
    alias: "docker",
    placeholder: "DIR",
    describe:
      "the image store's directory [the store of this system that has images]",
  },
  store: {
    type: "string",
    placeholder: "KIND",
    values: STORE_KINDS,
    describe: `which store, where DIR holds several: ${STORE_KINDS.join(", ")}`,
  },
} as const satisfies Flags;

const imageFlag = {
  type: "string",
  placeholder: "REF",
  describe:
    "the image instead of the one that the kernel options and the configuration name",
} as const;

const generatorNames = ["auto", ...GENERATOR_NAMES] as const;

const installFlags = {
  generator: {
    type: "string",
    placeholder: "NAME",
    values: generatorNames,
    describe: `the initramfs generator: ${generatorNames.join(", ")} [auto]`,
  },
  image: {
    ...imageFlag,
    describe:
      "the image to boot, as docker images or podman images names it [the one in the configuration]",
  },
  root: {
    type: "string",
    placeholder: "DIR",
    describe: "install into the system in DIR instead of this one",
  },
  "no-build": { type: "boolean", describe: "do not build the initramfs" },
  "dry-run": {
    type: "boolean",
    describe: "print what would be done and change nothing",
  },
  yes: { type: "boolean", describe: "do not ask for confirmation" },
  verbose: {
    type: "boolean",
    describe: "also print the log on stderr",
  },
} as const satisfies Flags;

const PULLS = ["auto", "always", "never"] as const;

const loaderFlag = {
  type: "string",
  placeholder: "NAME",
  values: LOADERS,
  describe: `the boot loader: ${LOADERS.join(", ")} [the one found]`,
} as const;

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

const SHELLS = ["bash", "zsh", "fish"] as const;

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
    flags: changeFlags,
    needsRoot: true,
    examples: [
      ["dockroot rollback", "back to the one before"],
      ["dockroot rollback 3", "to that one"],
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
      restart: {
        type: "boolean",
        describe:
          "where it has booted with the kernel of a bad deployment, restart the machine, once, for its own",
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
