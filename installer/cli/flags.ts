import type { Flags } from "../../runtime/base/flags.ts";
import { STORE_KINDS } from "../../runtime/options/table.ts";
import { GENERATOR_NAMES } from "../generators/generator.ts";
import { LOADERS } from "../loaders/formats/boot-loader.ts";

export const json = {
  type: "boolean",
  describe: "print the result as JSON",
} as const;

export const storeFlags = {
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

export const imageFlag = {
  type: "string",
  placeholder: "REF",
  describe:
    "the image instead of the one that the kernel options and the configuration name",
} as const;

const generatorNames = ["auto", ...GENERATOR_NAMES] as const;

export const installFlags = {
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

export const loaderFlag = {
  type: "string",
  placeholder: "NAME",
  values: LOADERS,
  describe: `the boot loader: ${LOADERS.join(", ")} [the one found]`,
} as const;
