import { CACHE, findEngineRoots } from "../../fixtures/cached-debian.ts";
import { makeDebianRoot } from "../../fixtures/debian-root.ts";
import { findMachine } from "../../fixtures/machine-kinds.ts";
import { createProgress, type Progress } from "../../fixtures/progress.ts";

// node test/runner/prepare.ts NAME, as root: makes what several test files begin with, where it is not
// in the cache yet.

/** Something that is made once, before the test files whose declarations name it. */
export interface Preparation {
  readonly seconds: number;
  readonly needs: readonly string[];
  readonly make: (progress: Progress) => Promise<unknown>;
}

const machine = (
  kind: Parameters<typeof findMachine>[0],
  seconds: number,
  ...needs: readonly string[]
): Preparation => ({
  ...{ seconds, needs },
  make: (progress) => findMachine(kind, progress),
});

export const preparations: Readonly<Record<string, Preparation>> = {
  debian: {
    ...{ seconds: 60, needs: [] },
    make: (progress) => makeDebianRoot(CACHE, progress),
  },
  trixie: {
    ...{ seconds: 60, needs: [] },
    make: (progress) => makeDebianRoot(CACHE, progress, "trixie"),
  },
  engines: { seconds: 90, needs: [], make: findEngineRoots },
  machine: machine("demo", 30, "debian"),
  dracut: machine("dracut", 25, "machine"),
  crypt: machine("crypt", 25, "machine"),
  exported: machine("exported", 20, "machine"),
  stores: machine("stores", 40, "machine", "engines"),
  "two-kernels": machine("two-kernels", 60, "machine"),
};

if (import.meta.main) {
  const [name = ""] = process.argv.slice(2);
  const preparation = preparations[name];
  if (preparation === undefined) {
    throw new Error(
      `${name} is not one of ${Object.keys(preparations).join()}`,
    );
  }
  await preparation.make(createProgress(process.stdout));
}
