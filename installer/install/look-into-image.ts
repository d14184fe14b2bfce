import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Generator, ListedFile } from "../generators/generator.ts";
import { isCutShort, readInitramfs } from "../initramfs/read-initramfs.ts";
import { NotRunError } from "../system/tree-host.ts";

/** The files in an image. @throws BootError INSTALL_FAILED where it cannot be read */
export async function listImage(
  host: Host,
  generator: Generator,
  image: string,
): Promise<readonly ListedFile[]> {
  try {
    return await generator.list(host, image);
  } catch (cause) {
    if (!(cause instanceof HelperError)) throw cause;
    throw new BootError("INSTALL_FAILED", `cannot look into ${image}`, {
      cause,
      hint: "Is it an initramfs? Its generator must be able to list it.",
    });
  }
}

/**
 * The same, without running anything where nothing may run.
 * @returns `undefined` where it cannot be read, so that it has to be built anew
 * @throws NotRunError where only the generator could read it
 */
export async function listIfReadable(
  host: Host,
  generator: Generator,
  image: string,
): Promise<readonly ListedFile[] | undefined> {
  try {
    return await generator.list(host, image);
  } catch (error) {
    if (error instanceof HelperError && error.kind === "exit") return undefined;
    if (!(error instanceof NotRunError)) throw error;
    try {
      return await readInitramfs(host.files.streamFile(image), () => false);
    } catch (failure) {
      if (isCutShort(failure)) return undefined;
      throw failure instanceof Error ? error : failure;
    }
  }
}
