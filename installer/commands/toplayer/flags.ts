import path from "node:path";
import { UsageError } from "../../../runtime/host/errors.ts";
import { DEFAULT_STORE } from "./image.ts";

/** Which image, for both commands. */
export const imageFlags = {
  image: {
    type: "string",
    placeholder: "REF",
    describe:
      "the image instead of the one that the kernel options and the configuration name",
  },
  docker: {
    type: "string",
    placeholder: "DIR",
    describe: `the image store [${DEFAULT_STORE}]`,
  },
} as const;

/** @throws UsageError */
export function readStoreFlag(docker: string | undefined): string {
  if (docker === "") throw new UsageError("--docker names no directory");
  return path.resolve(docker ?? DEFAULT_STORE);
}
