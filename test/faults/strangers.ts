import fs from "node:fs";
import path from "node:path";
import { run } from "../../fixtures/run.ts";
import { OWN_DIRECTORY, RWLAYER, type ScenarioName } from "./boot-scenarios.ts";
import type { Licence } from "./whole-disk.ts";

const EMPTY = "an empty directory";

/** Makes something at a place. */
type Make = (place: string) => Promise<void> | void;

/** What a user may have put somewhere, with what must not be lost. */
const ANYWHERE: Readonly<Record<string, Make>> = {
  "a directory with files": (place) => {
    fs.mkdirSync(`${place}/sub`, { recursive: true });
    fs.writeFileSync(`${place}/sub/precious`, "precious");
  },
  [EMPTY]: (place) => {
    fs.mkdirSync(place);
  },
  "a file": (place) => {
    fs.writeFileSync(place, "precious");
  },
  "a FIFO": async (place) => {
    await run(["mkfifo", place]);
  },
  "a link that leads out": (place) => {
    fs.symlinkSync("/etc", place);
  },
  "a link to itself": (place) => {
    fs.symlinkSync(path.basename(place), place);
  },
};

const ON_BTRFS: Readonly<Record<string, Make>> = {
  "a subvolume": (place) => makeSubvolume(place),
  "an untouched snapshot of a subvolume": async (place) => {
    const original = `${place}-original`;
    await makeSubvolume(original);
    await subvolume("snapshot", original, place);
  },
  "a read-only snapshot of a subvolume": async (place) => {
    const original = `${place}-original`;
    await makeSubvolume(original);
    await subvolume("snapshot", "-r", original, place);
  },
  "a subvolume with others nested in it": async (place) => {
    await makeSubvolume(place);
    await makeSubvolume(`${place}/nested`);
    await makeSubvolume(`${place}/nested/deep`);
  },
  "a directory with a subvolume in it": async (place) => {
    fs.mkdirSync(place);
    await makeSubvolume(`${place}/precious`);
  },
  "a link to a subvolume": async (place) => {
    await makeSubvolume(`${place}-original`);
    fs.symlinkSync(`${path.basename(place)}-original`, place);
  },
};

/** What looks like an overlay's root. */
const ON_OVERLAYS: Readonly<Record<string, Make>> = {
  "the root of another rwlayer": (place) => {
    makeRoot(place, '{"version":2,"rwlayer":"other","subvolumes":[]}\n');
  },
  "a root whose record is damaged, and a file beside": (place) => {
    makeRoot(place, '{"version":2,"rwl');
    fs.writeFileSync(`${place}/precious`, "precious");
  },
  "a root without a record": (place) => {
    makeRoot(place);
  },
  "a link to such a directory": (place) => {
    makeRoot(`${place}-original`);
    fs.symlinkSync(`${path.basename(place)}-original`, place);
  },
};

/** `refused`: nothing was begun, so there is no record either. */
export type Result = "refused" | "failed" | "fallback" | "fresh";

interface Place {
  /** Where something stands in the way. */
  readonly path: string;
  /** What the boot then comes to. */
  readonly result: Result;
  /** What of `strangers` is dockroot's own there. */
  readonly ours?: string | undefined;
}

/** Something that is mounted besides, on a machine that has a former root. */
interface OtherMount {
  readonly scenario: ScenarioName;
  readonly result: Result;
  /** @param point an empty directory beside the disk */
  readonly mount: (
    topLevel: string,
    point: string,
  ) => Promise<readonly string[]>;
}

/** What there is of a filesystem that is not dockroot's. */
interface Strangers {
  readonly strangers: Readonly<Record<string, Make>>;
  readonly places: Readonly<Record<string, Place>>;
  readonly mounts: Readonly<Record<string, OtherMount>>;
  /** What a boot may change that makes no new root, and one that does. */
  readonly licences: { readonly always: Licence; readonly fresh: Licence };
}

const places = (
  inRwlayersPlace: Result,
  oursAsStaging?: string,
): Strangers["places"] => ({
  "in the rwlayer's place": { path: RWLAYER, result: inRwlayersPlace },
  "in staging's place": {
    path: `${OWN_DIRECTORY}/staging`,
    result: "fallback",
    ours: oursAsStaging,
  },
  "among the generations": {
    path: `${OWN_DIRECTORY}/generations/1x`,
    result: "fresh",
  },
  "in a generation's place": {
    path: `${OWN_DIRECTORY}/generations/7`,
    result: "fresh",
  },
});

const BASES = `${OWN_DIRECTORY}/bases`;

/** @param inStaging a directory that a half-made root has */
const mounts = (inStaging: string): Strangers["mounts"] => ({
  "a half-made staging of ours is mounted elsewhere": {
    scenario: "a new root and all there is to clean up",
    result: "refused",
    mount: (top, point) => bind(`${top}/${OWN_DIRECTORY}/staging`, point),
  },
  "a directory in it is mounted elsewhere": {
    scenario: "a new root and all there is to clean up",
    result: "refused",
    mount: (top, point) =>
      bind(`${top}/${OWN_DIRECTORY}/staging/${inStaging}`, point),
  },
  "the former root is mounted elsewhere": {
    scenario: "a new root over a former one",
    result: "refused",
    mount: (top, point) => bind(`${top}/${RWLAYER}`, point),
  },
  "something is mounted over the rwlayer's path": {
    scenario: "a new root over a former one",
    result: "fallback",
    mount: (top) => mountMemory(`${top}/${RWLAYER}`),
  },
});

/** @param freeAlways what may change in any case */
function licences(freeAlways: RegExp): Strangers["licences"] {
  const directories = ["", ".dockroot", OWN_DIRECTORY];
  // The former root becomes a generation, which stays for what its user wrote, as an earlier one may. The new one gets
  // a base.
  const roots = new RegExp(
    `^(?:${RWLAYER}|${OWN_DIRECTORY}/generations/[128]|${BASES}/3)(?:/|$)`,
  );
  return {
    always: { isFree: (file) => freeAlways.test(file), directories },
    fresh: {
      isFree: (file) => freeAlways.test(file) || roots.test(file),
      directories: [...directories, `${OWN_DIRECTORY}/generations`, BASES],
    },
  };
}

export const STRANGERS: Readonly<Record<"btrfs" | "ext4", Strangers>> = {
  btrfs: {
    strangers: { ...ON_BTRFS, ...ANYWHERE },
    places: {
      ...places("failed"),
      "in the place of the new root's base": {
        path: `${BASES}/3`,
        result: "fresh",
      },
    },
    mounts: mounts("etc"),
    licences: licences(
      new RegExp(`^${OWN_DIRECTORY}/(?:state\\.json|last-failure\\.log)$`),
    ),
  },
  ext4: {
    strangers: { ...ON_OVERLAYS, ...ANYWHERE },
    // An earlier root boots from where it is. An interrupted boot leaves an empty staging.
    places: places("fallback", EMPTY),
    mounts: mounts("upper/etc"),
    // Mounting an overlay writes to its root: to the kernel's own directory, and to its record.
    licences: licences(
      new RegExp(
        `^${OWN_DIRECTORY}/last-failure\\.log$|^(?:${RWLAYER}|${OWN_DIRECTORY}/generations/1)(?:/work(?:/|$)|/root\\.json$|/upper$|$)|^${OWN_DIRECTORY}/trash$|^\\.dockroot/layers$`,
      ),
    ),
  },
};

function makeRoot(place: string, record?: string): void {
  fs.mkdirSync(`${place}/upper`, { recursive: true });
  fs.mkdirSync(`${place}/work`);
  fs.writeFileSync(`${place}/upper/precious`, "precious");
  if (record !== undefined) fs.writeFileSync(`${place}/root.json`, record);
}

/** Mounts what is on the disk at a second place. */
async function bind(file: string, point: string): Promise<readonly string[]> {
  await run(["mount", "--bind", "--", file, point]);
  return [point];
}

async function mountMemory(at: string): Promise<readonly string[]> {
  await run(["mount", "-t", "tmpfs", "not-ours", "--", at]);
  return [at];
}

async function makeSubvolume(place: string): Promise<void> {
  await subvolume("create", place);
  fs.writeFileSync(`${place}/precious`, "precious");
}

function subvolume(command: string, ...args: string[]): Promise<string> {
  return run(["btrfs", "subvolume", command, ...args]);
}
