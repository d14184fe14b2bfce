import path from "node:path";
import { UsageError } from "../runtime/host/errors.ts";
import { DEFAULT_STORE } from "./image.ts";

const docker = {
  type: "string",
  placeholder: "DIR",
  describe: `the image store [${DEFAULT_STORE}]`,
} as const;

/** Where images are. */
export const storeFlags = { docker } as const;

/** Which image, where the machine itself names one. */
export const imageFlags = {
  image: {
    type: "string",
    placeholder: "REF",
    describe:
      "the image instead of the one that the kernel options and the configuration name",
  },
  docker,
} as const;

/** @throws UsageError */
export function readStoreFlag(docker: string | undefined): string {
  if (docker === "") throw new UsageError("--docker names no directory");
  return path.resolve(docker ?? DEFAULT_STORE);
}
