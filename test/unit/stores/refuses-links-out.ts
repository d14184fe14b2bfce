import fs from "fs-extra";
import path from "node:path";
import type { Test } from "tap";

/** A store to damage. */
interface CopiedStore {
  readonly find: (text: string) => unknown;
  /** A path in it as one of this machine. */
  readonly file: (name: string) => string;
}

/**
 * The image is not found where a part of the store is behind a link out of its filesystem, absolute or
 * not, though what the link leads to is right.
 * @param names relative to the store
 */
export function refusesLinksOut(
  t: Test,
  copyStore: (t: Test) => CopiedStore,
  names: readonly string[],
  image: string,
): void {
  for (const name of names) {
    for (const isAbsolute of [true, false]) {
      const store = copyStore(t);
      const outside = path.join(
        fs.mkdtempSync(path.join(t.testdirName, "../outside-")),
        "valid",
      );
      t.teardown(() => {
        fs.removeSync(path.dirname(outside));
      });
      fs.moveSync(store.file(name), outside);
      const link = store.file(name);
      fs.symlinkSync(
        isAbsolute ? outside : path.relative(path.dirname(link), outside),
        link,
      );
      t.throws(() => store.find(image), { name: "BootError" }, name);
    }
  }
}
