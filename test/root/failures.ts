import type { Test } from "tap";
import { compareListings, listTree } from "../../fixtures/tree-listing.ts";
import type { Outcome } from "../binary/run-dockroot.ts";
import type { BootDisk, Rehearsal } from "./boot-disk.ts";

/** Attributes with the time of the last change, so that no write goes unseen. */
export const withTimes = { contents: false, changeTimes: true };

/**
 * @returns a check that a boot fails as the user should see it, and that no subvolume, mount or loop
 *   device has changed
 */
export function failuresOn(disk: BootDisk) {
  return async (
    t: Test,
    machine: Rehearsal,
    options: string,
    code: string,
    words: readonly string[],
    mayLeave?: "staging",
  ): Promise<void> => {
    const state = async () => {
      const listing = await disk.look((top) => listTree(top, withTimes));
      const subvolumes = await disk.subvolumes();
      return { listing, subvolumes, traces: await disk.traces() };
    };
    const before = await state();
    const outcome = machine.boot(options);
    const after = await state();
    const name = `${code} for ${options}`;
    t.equal(outcome.status, 1, name);
    checkMessage(t, outcome);
    for (const word of words) {
      t.ok(outcome.stderr.includes(word), `says ${word}: ${outcome.stderr}`);
    }
    const { result, failure } = machine.record();
    t.equal(result, "failed");
    t.equal(failure?.code, code, name);

    t.strictSame(after.traces, before.traces);
    // The log of the failure is left, and what is above it changes its times.
    const isLeft = (file: string) =>
      /^(?:\.dockroot(?:\/[^/]+(?:\/last-failure\.log)?)?)?$/.test(file) ||
      (mayLeave !== undefined &&
        file.startsWith(`.dockroot/${machine.rwlayer}/`));
    const without = <T>(entries: Readonly<Record<string, T>>) =>
      Object.fromEntries(
        Object.entries(entries).filter(([file]) => !isLeft(file)),
      );
    t.strictSame(without(after.subvolumes), without(before.subvolumes));
    t.strictSame(
      compareListings(without(after.listing), without(before.listing)),
      [],
      "the disk is as it was",
    );
  };
}

/** One plain line with what failed, why, and what to do. */
function checkMessage(t: Test, { stdout, stderr }: Outcome): void {
  t.equal(stdout, "");
  t.match(stderr, /^dockroot: [^\n]+$/m);
  t.match(stderr, /^ {2}what to do: /m);
  t.notMatch(stderr, /^ +at .*:\d+:\d+\)?$/m, "no stack trace");
}
