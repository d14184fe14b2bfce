import { BootError } from "../../runtime/base/errors.ts";
import { findReaders } from "../../runtime/stores/open-store.ts";
import type { StoreLocation, StoreReader } from "../../runtime/stores/store.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";

/** The stores in a directory that have images. A damaged one counts: whoever opens it is told. */
export function listStores(
  location: StoreLocation,
  kind: StoreKind | undefined,
): StoreReader[] {
  return findReaders(location, kind).filter((reader) =>
    unlessDamaged(() => reader.hasImages()),
  );
}

/** Whether a root can be made of its images, as far as that shows. */
export function canBeRoot(reader: StoreReader): boolean {
  return unlessDamaged(() => reader.unsupported() === undefined);
}

function unlessDamaged(ask: () => boolean): boolean {
  try {
    return ask();
  } catch (error) {
    if (error instanceof BootError && error.code === "STORE_DAMAGED") {
      return true;
    }
    throw error;
  }
}
