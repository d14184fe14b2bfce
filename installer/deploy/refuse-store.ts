import { BootError, type ErrorCode } from "../../runtime/base/errors.ts";
import { findRootImage } from "../../runtime/boot/gather-facts.ts";
import type { ImageReference } from "../../runtime/images/image-ref.ts";
import { findReaders } from "../../runtime/stores/open-store.ts";
import { StoreFiles } from "../../runtime/stores/store-files.ts";
import type { StoreLocation } from "../../runtime/stores/store.ts";
import { refuseRootless } from "../../runtime/stores/stored-tree.ts";
import type { StorePlace } from "../system/find-store.ts";

/** What a pull changes nothing of. */
const LASTING: readonly ErrorCode[] = ["STORE_UNSUPPORTED", "INVALID_OPTION"];

/**
 * Refuses a store of whose images this machine can never boot one, before its engine pulls another. Whatever else is
 * wrong with it shows when the image is looked for. By what containerd unpacks the next image its files do not tell.
 * @throws BootError STORE_UNSUPPORTED, INVALID_OPTION
 */
export function refuseUnusableStore(
  at: StoreLocation,
  { kind, isOverlay }: Pick<StorePlace, "kind" | "isOverlay">,
  wanted: ImageReference,
): void {
  refuseRootless(new StoreFiles(at));
  const tree = isOverlay ? "layers" : "subvolume";
  const isUsable = findReaders(at, kind).some(
    (reader) =>
      reader.kind === "containerd" || reader.treeKinds().includes(tree),
  );
  if (isUsable) return;
  try {
    findRootImage(at, kind, wanted, isOverlay);
  } catch (error) {
    if (!(error instanceof BootError) || LASTING.includes(error.code)) {
      throw error;
    }
  }
}
