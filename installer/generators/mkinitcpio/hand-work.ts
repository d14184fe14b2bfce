import { BootError } from "../../../runtime/base/errors.ts";
import { placeOf, type Configuration } from "./configuration.ts";
import { NAME } from "./hook-order.ts";
import type { Hooks } from "./read-hooks.ts";

/** HOOKS cannot be edited: what is to be done by hand, where and why. */
export function handWork(
  configuration: Configuration,
  why: string,
  position: number,
  read?: Hooks,
): BootError {
  const { path, line } = placeOf(configuration, position);
  const last = configuration.at(-1)?.path ?? path;
  // The other one is right for arrays and texts alike.
  const addition =
    read?.isArray === true
      ? `HOOKS+=(${NAME})`
      : `HOOKS=(\${HOOKS[@]} ${NAME})`;
  return new BootError(
    "GENERATOR_UNSUITABLE",
    `cannot edit HOOKS in ${path}, line ${String(line)}: ${why}`,
    {
      hint: `Write ${NAME} into it yourself, after block, encrypt, lvm2 and resume and before strip; or add this line at the end of ${last}: ${addition}`,
    },
  );
}
