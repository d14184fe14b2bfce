// runner: tier=first seconds=20 whole=55
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { BootError } from "../../runtime/base/errors.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { OWN_RECORD, Disk } from "../../runtime/disk/disk.ts";
import { rwlayerPaths } from "../../runtime/options/rwlayer-names.ts";
import { runDockroot } from "../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../root/boot-disk.ts";
import { createSampler } from "./campaign.ts";
import { makeSocket, oddFiles, type OddFile } from "./odd-files.ts";
import { judgeOutcome } from "./raw-controls.ts";
import { createTally } from "./tally.ts";
import {
  describeChanges,
  readWholeDisk,
  type Licence,
  type WholeDisk,
} from "./whole-disk.ts";

// Damages what dockroot itself wrote or is configured by: state.json, boot.json, the configuration. In
// the first tier each of them in some of the ways that there are.

/** So many kinds of odd files, and of odd contents, are tried in each place in the first tier. */
/** What `dockroot status` ends with where a mutant tells of a fallback. */
const OF_FALLBACK = 4;

const SAMPLE = 5;

const disk = await makeBootDisk(t, "damaged-own-files");

const tally = createTally();

const sampler = createSampler();

const machine = rehearse(t, disk, "kept");

const {
  directory,
  generations,
  bases,
  state: statePath,
  lastFailure: logPath,
} = rwlayerPaths("kept");

const nothing: Licence = { isFree: () => false, directories: [] };

const ofFailure: Licence = {
  isFree: (file) => [statePath, logPath].includes(file),
  directories: ["", path.dirname(directory), directory],
};

/** A name on the command line that leads nowhere is a wrong argument. */
const ABSENT = ["missing", "a link to nowhere"];

const host = createHost("/", createLog([]));

const socket = path.join(disk.scratch, "socket");

let state = "";

await t.test("there are a rwlayer and a generation", async (t) => {
  for (let starts = 1; starts <= 2; starts += 1) {
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
  }
  await makeSocket(socket);
  await disk.look(async (top) => {
    state = fs.readFileSync(path.join(top, statePath), "utf8");
    await makeSocket(path.join(top, "socket"));
  });
});

await t.test(
  "a state file that is cut off is never half believed",
  async (t) => {
    const scratch = path.join(disk.scratch, "states");
    const file = path.join(scratch, statePath);
    fs.mkdirpSync(path.dirname(file));
    for (let length = 0; length < state.trimEnd().length; length += 1) {
      fs.writeFileSync(file, state.slice(0, length));
      let problem: string | undefined = "was believed";
      try {
        new Disk(host, scratch, "kept").readState();
      } catch (error) {
        problem = error instanceof BootError ? undefined : String(error);
      }
      tally.count(t, `state.json cut off at ${String(length)}`, problem);
    }
  },
);

await t.test("a damaged state file costs nothing", async (t) => {
  const kinds = sampler.take(Object.keys(oddFiles("")), SAMPLE);
  const damaged: Record<string, string> = {
    "no JSON": "{",
    "no state": "{}",
    "another version": state.replace(/"version": \d/, '"version": 99'),
    "of nothing": `{"version":2,"rwlayer":"kept","subvolumes":[]}`,
    "of odd records": state.replace(/"uuid": "/g, '"uuid": "x'),
    "a prototype": `{"__proto__":${state}}`,
    "deep nesting": "[".repeat(500_000),
    garbage: "\u001b[2J\u0000\ud800".repeat(100),
  };
  const chosen = [...kinds, ...sampler.take(Object.keys(damaged), SAMPLE)];
  const damage = (kind: string) =>
    disk.look((top) => {
      const file = path.join(top, statePath);
      fs.removeSync(file);
      const content = damaged[kind];
      if (content === undefined) {
        oddFiles(path.join(top, "socket"))[kind]?.(file);
      } else fs.writeFileSync(file, content);
      return identify(file);
    });
  for (const kind of chosen) {
    const before = await disk.look(readWholeDisk);
    await damage(kind);
    const outcome = machine.boot("dockroot.generations=99");
    const finished = machine.finish();
    const after = await disk.look(async (top) => {
      for (const name of fs.readdirSync(path.join(top, directory))) {
        if (name.startsWith("state.json.damaged")) {
          fs.removeSync(path.join(top, directory, name));
        }
      }
      return readWholeDisk(top);
    });
    const isNewer = kind === "another version";
    tally.count(
      t,
      `state.json is ${kind}, and each root has its own record`,
      judgeOutcome(outcome, isNewer ? 1 : 0) ??
        judgeOutcome(finished, isNewer ? 1 : 0) ??
        (isNewer ? undefined : describeSwap(before, after)),
    );
    state = await disk.look((top) => {
      const file = path.join(top, statePath);
      if (isNewer) fs.writeFileSync(file, state);
      return fs.readFileSync(file, "utf8");
    });
  }
  await disk.look((top) => {
    for (const root of [
      "kept",
      ...fs
        .readdirSync(path.join(top, generations))
        .map((name) => path.join(generations, name)),
    ]) {
      fs.removeSync(path.join(top, root, OWN_RECORD));
    }
  });
  for (const kind of chosen) {
    const before = await disk.look(readWholeDisk);
    const place = await damage(kind);
    const outcome = machine.boot();
    const finished = machine.finish();
    const [placeAfter, after] = await disk.look(async (top) => {
      const file = path.join(top, statePath);
      const found = identify(file);
      fs.removeSync(file);
      return [found, await readWholeDisk(top)] as const;
    });
    tally.count(
      t,
      `state.json is ${kind}, and no root has a record`,
      // None of the roots can be proved to be dockroot's own without either.
      judgeOutcome(outcome, 1) ??
        judgeOutcome(finished, 1) ??
        describeChanges(before, after, ofFailure)[0] ??
        (placeAfter === place ? undefined : "it was written to"),
    );
    await disk.look((top) => {
      fs.writeFileSync(path.join(top, statePath), state);
    });
  }
});

await t.test("an odd state file that says all is believed", async (t) => {
  for (const [what, change] of Object.entries({
    itself: (text: string) => text,
    "with a field besides": (text: string) =>
      text.replace("{", '{"x":{"__proto__":[]},'),
    "in one line": (text: string) => JSON.stringify(JSON.parse(text)),
  })) {
    const before = await disk.look((top) => {
      const file = path.join(top, statePath);
      fs.writeFileSync(file, change(fs.readFileSync(file, "utf8")));
      return readWholeDisk(top);
    });
    const outcome = machine.boot("dockroot.generations=99");
    const finished = machine.finish();
    tally.count(
      t,
      `state.json is ${what}`,
      judgeOutcome(outcome, 0) ??
        judgeOutcome(finished, 0) ??
        describeSwap(before, await disk.look(readWholeDisk)),
    );
  }
});

await t.test("a configuration of any kind is read or refused", async (t) => {
  const place = path.join(disk.scratch, "config");
  for (const [kind, make] of Object.entries(oddFiles(socket))) {
    fs.removeSync(place);
    make(place);
    const outcome = machine.boot("", "--dry-run", "--config", place);
    tally.count(
      t,
      `the configuration is ${kind}`,
      judgeOutcome(outcome, ABSENT.includes(kind) ? 2 : 1),
    );
  }
});

await t.test("a record of any kind is read or refused", async (t) => {
  const place = path.join(machine.runDirectory, "boot.json");
  const contents = damagedRecords();
  const odd = oddFiles(socket);
  for (const kind of [
    ...sampler.take(Object.keys(odd), SAMPLE),
    ...sampler.take(Object.keys(contents), SAMPLE),
  ]) {
    const { status, stderr } = machine.boot("dockroot.rwlayer=keep");
    t.equal(status, 0, stderr);
    const before = await disk.look(readWholeDisk);
    fs.removeSync(place);
    const content = contents[kind];
    if (content === undefined) odd[kind]?.(place);
    else fs.writeFileSync(place, content);
    const finished = machine.finish();
    const after = await disk.look(readWholeDisk);
    tally.count(
      t,
      `boot.json is ${kind}, for finish`,
      judgeOutcome(finished, 1) ??
        (fs.existsSync(path.join(machine.runDirectory, "toplevel"))
          ? "the top level is still mounted"
          : undefined) ??
        describeChanges(before, after, nothing)[0],
    );
    const told = runDockroot("status", "--run-dir", machine.runDirectory);
    tally.count(
      t,
      `boot.json is ${kind}, for status`,
      judgeOutcome(told.status === OF_FALLBACK ? { ...told, status: 0 } : told),
    );
  }
  fs.removeSync(place);
});

await t.test("what a boot writes over may be anything", async (t) => {
  const record = path.join(machine.runDirectory, "boot.json");
  const untouched = path.join(disk.scratch, "untouched");
  fs.writeFileSync(untouched, "untouched");
  const kinds: Readonly<Record<string, OddFile>> = {
    ...oddFiles(socket),
    "a link to a file": (place) => {
      fs.symlinkSync(untouched, place);
    },
  };
  await disk.look((top) => {
    // An earlier boot's.
    fs.removeSync(path.join(top, logPath));
  });
  for (const kind of sampler.take(Object.keys(kinds), SAMPLE)) {
    for (const isGood of [false, true]) {
      const target = identify(untouched);
      const makeLog = (top: string) =>
        ({ ...kinds, ...oddFiles(path.join(top, "socket")) })[kind];
      const before = await disk.look(async (top) => {
        const content = await readWholeDisk(top);
        makeLog(top)?.(path.join(top, logPath));
        return content;
      });
      fs.removeSync(record);
      kinds[kind]?.(record);
      const outcome = machine.boot(
        `dockroot.rwlayer=keep ${isGood ? "" : "docker_image=absent:1"}`,
      );
      const isReplaced = kind !== "a directory";
      const written = fs.lstatSync(record);
      const finished = machine.finish();
      const [isLogged, after] = await disk.look(async (top) => {
        const file = path.join(top, logPath);
        const log = fs.lstatSync(file, { throwIfNoEntry: false });
        fs.removeSync(file);
        return [log?.isFile(), await readWholeDisk(top)] as const;
      });
      tally.count(
        t,
        `${kind} is in the way of a ${isGood ? "good" : "failing"} boot`,
        judgeOutcome(outcome, isGood ? 0 : 1) ??
          judgeOutcome(finished, isGood && isReplaced ? 0 : 1) ??
          (written.isFile() === isReplaced
            ? undefined
            : "boot.json is not written") ??
          (isGood || isLogged === isReplaced ? undefined : "the log is lost") ??
          (identify(untouched) === target
            ? undefined
            : "a link was followed") ??
          describeChanges(before, after, ofFailure)[0],
      );
    }
  }
  t.notOk(fs.existsSync("/nowhere"), "no link was followed");
  fs.removeSync(record);
  tally.record(t, "damaged own files", ...sampler.notes());
});

/** boot.json as nobody writes it. */
function damagedRecords(): Readonly<Record<string, string>> {
  const { status, stderr } = machine.boot("dockroot.rwlayer=keep");
  if (status !== 0) throw new Error(stderr);
  const record = machine.record();
  machine.finish();
  const changed = (changes: object) =>
    JSON.stringify({ ...record, ...changes });
  return Object.fromEntries(
    [
      ...["{", "null", "5", "[]", "{}", '"fresh"', '{"result":"fresh"}'],
      '{"version":1,"result":"fresh"}',
      `{"__proto__":${changed({})}}`,
      ...["unknown", "constructor", null, ["fresh"]].map((result) =>
        changed({ result }),
      ),
      ...[
        ...["..", "../../etc", "/etc", "a/../kept", "kept/", "a//b", ""],
        ...[".dockroot/kept", "a\u001b[2Jb", "a\0b", 5, null, ["kept"]],
      ].map((rwlayer) => changed({ rwlayer })),
      ...[null, 5, {}, []].map((limits) => changed({ limits })),
      ...[-1, 0.5, 1e9, "0", null].map((generations) =>
        changed({ limits: { ...record.limits, generations } }),
      ),
      ...[-1, 0, 1e99, "1", null].map((helperTimeoutMs) =>
        changed({ limits: { ...record.limits, helperTimeoutMs } }),
      ),
    ].map((text) => [text, text]),
  );
}

/** What a good boot that keeps all generations did to others than the rwlayer, in words. */
function describeSwap(before: WholeDisk, after: WholeDisk): string | undefined {
  const number = Object.keys(before.subvolumes).filter((file) =>
    file.startsWith(`${generations}/`),
  ).length;
  const generation = `${generations}/${String(number + 1)}`;
  if (after.subvolumes[generation] !== before.subvolumes["kept"]) {
    return "the former root is no generation";
  }
  const isOfRoot = isAtOrBelow("kept");
  const isNew = isAtOrBelow(generation);
  const newBases = Object.keys(after.subvolumes).filter(
    (file) => file.startsWith(`${bases}/`) && !(file in before.subvolumes),
  );
  if (newBases.length !== 1)
    return `there are ${String(newBases.length)} new bases`;
  const isOfBase = isAtOrBelow(newBases[0] ?? "");
  const [change] = describeChanges(before, after, {
    isFree: (file) =>
      [isOfRoot, isNew, isOfBase, ofFailure.isFree].some((is) => is(file)),
    directories: [...ofFailure.directories, generations, bases],
  });
  return change;
}

function isAtOrBelow(directory: string): (file: string) => boolean {
  return (file) => file === directory || file.startsWith(`${directory}/`);
}

/** What tells whether a file is the same one, unwritten; it is not opened. */
function identify(file: string): string {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return "missing";
  const { ino, mode, size, ctimeMs, mtimeMs } = stats;
  return [ino, mode, size, ctimeMs, mtimeMs].join(" ");
}
