import path from "node:path";
import type { StoreChoice } from "../system/find-store.ts";
import type { FlagsOf } from "./table.ts";

/** The image store that `--store-path` and `--store` name. */
export function readStoreChoice({
  "store-path": directory,
  store,
}: Pick<FlagsOf<"resolve">, "store-path" | "store">): StoreChoice {
  return {
    directory: directory === undefined ? undefined : path.resolve(directory),
    kind: store,
  };
}
