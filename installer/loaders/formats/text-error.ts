import { BootError } from "../../../runtime/base/errors.ts";
import { LOADER_TITLES, type LoaderName } from "./loader-name.ts";

/** A name that a boot loader's configuration cannot hold. */
export function cannotWrite(
  loader: LoaderName,
  text: string,
  why: string,
): BootError {
  return new BootError(
    "ENTRY_UNSUITABLE",
    `an entry for ${LOADER_TITLES[loader]} cannot have ${text} in it: ${why}`,
    {
      hint: "Rename what it names, or choose another boot loader with --loader.",
    },
  );
}
