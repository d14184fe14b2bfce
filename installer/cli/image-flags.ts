import path from "node:path";
import { UsageError } from "../../runtime/base/errors.ts";
import { STORE_KINDS } from "../../runtime/options/store-kinds.ts";
import type { StoreChoice } from "../system/find-store.ts";

/** Where images are. */
export const storeFlags = {
  "store-path": {
    type: "string",
    alias: "docker",
    placeholder: "DIR",
    describe:
      "the image store's directory [the one of this system that has images]",
  },
  store: {
    type: "string",
    placeholder: "KIND",
    values: STORE_KINDS,
    describe: `which store, where DIR holds several: ${STORE_KINDS.join(", ")}`,
  },
} as const;

/** Which image, where the machine itself names one. */
export const imageFlags = {
  image: {
    type: "string",
    placeholder: "REF",
    describe:
      "the image instead of the one that the kernel options and the configuration name",
  },
  ...storeFlags,
} as const;

/** As they are given. */
export interface StoreFlags {
  readonly "store-path"?: string | undefined;
  readonly store?: string | undefined;
}

/** @throws UsageError */
export function readStoreFlags({
  "store-path": directory,
  store,
}: StoreFlags): StoreChoice {
  if (directory === "") throw new UsageError("--store-path names no directory");
  const kind = STORE_KINDS.find((word) => word === store);
  if (kind === undefined && store !== undefined) {
    throw new UsageError(
      `--store ${store} is none of ${STORE_KINDS.join(", ")}`,
    );
  }
  return {
    directory: directory === undefined ? undefined : path.resolve(directory),
    kind,
  };
}
