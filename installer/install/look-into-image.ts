import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Generator, ListedFile } from "../generators/generator.ts";
import { isCutShort, readInitramfs } from "../initramfs/read-initramfs.ts";
import { NotRunError } from "../system/tree-host.ts";
import { readImageNeeds } from "./image-needs.ts";
import { findMissing } from "../initramfs/verify-image.ts";

/** An image, wherever it stands. */
export interface Image {
  readonly path: string;
  readonly kernelVersion: string;
}

/** What an image lacks for dockroot to work in it, as phrases for people. @throws BootError */
export async function findMissingIn(
  host: Host,
  generator: Generator,
  { path, kernelVersion }: Image,
): Promise<string[]> {
  const needs = await readImageNeeds(host, generator, kernelVersion);
  return findMissing(await listImage(host, generator, path), needs);
}

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

/** Reads it itself. @throws NotRunError where the generator alone could */
async function listWithoutRunning(
  host: Host,
  image: string,
  notRun: NotRunError,
): Promise<readonly ListedFile[] | undefined> {
  try {
    return await readInitramfs(host.files.streamFile(image), () => false);
  } catch (error) {
    if (isCutShort(error)) return undefined;
    if (!(error instanceof Error)) throw error;
    throw notRun;
  }
}

/** The same; `undefined` where it is none that can be read, so that it has to be built anew. */
export async function listIfReadable(
  host: Host,
  generator: Generator,
  image: string,
): Promise<readonly ListedFile[] | undefined> {
  try {
    return await generator.list(host, image);
  } catch (error) {
    if (error instanceof NotRunError) {
      return await listWithoutRunning(host, image, error);
    }
    if (error instanceof HelperError && error.kind === "exit") return undefined;
    throw error;
  }
}
