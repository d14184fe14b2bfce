import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Test } from "tap";
import { rootsAlone } from "../../fixtures/roots-alone.ts";
import { undoLater } from "../../fixtures/undo.ts";

const TESTS = path.join(import.meta.dirname, "../../.cache/tests");

/** A new directory, removed at the test's end after all that was undone before it. */
export function makeScratch(t: Test, name: string): string {
  mkdirSync(TESTS, { recursive: true });
  const directory = mkdtempSync(
    path.join(rootsAlone(TESTS), `dockroot-${name}-`),
  );
  t.teardown(undoLater(() => rm(directory, { recursive: true, force: true })));
  return directory;
}
