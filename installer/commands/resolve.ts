import { UsageError } from "../../runtime/base/errors.ts";
import {
  readStoreFlags,
  storeFlags,
  type StoreFlags,
} from "../cli/image-flags.ts";
import type { CliContext } from "../cli/cli-context.ts";
import {
  formatResolved,
  formatResolvedAsJson,
  resolveImage,
} from "../system/resolve-image.ts";

export const resolveFlags = {
  ...storeFlags,
  json: {
    type: "boolean",
    describe: "print all of it as JSON, with the IDs in full",
  },
} as const;

export interface ResolveFlags extends StoreFlags {
  readonly reference: string;
  readonly json?: boolean | undefined;
}

/**
 * `dockroot resolve`: what the image store has under a reference, no engine running.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export function runResolve(
  { reference, json, ...flags }: ResolveFlags,
  { host, terminal, stdout }: CliContext,
): Promise<number> {
  if (reference === "") throw new UsageError("REF names no image");
  const resolved = resolveImage(host, readStoreFlags(flags), reference);
  stdout(
    json === true
      ? formatResolvedAsJson(resolved)
      : formatResolved(resolved, terminal),
  );
  return Promise.resolve(0);
}
