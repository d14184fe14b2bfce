import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { BootError } from "../../runtime/host/errors.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { rwlayerPaths } from "../../runtime/rwlayer-state.ts";
import { readState } from "../../runtime/state-file.ts";
import { runDockroot } from "../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../root/boot-disk.ts";
import { makeSocket, oddFiles } from "./odd-files.ts";
import { judgeOutcome } from "./raw-controls.ts";
import { createTally } from "./tally.ts";

// Damages what dockroot itself wrote or is configured by: state.json, boot.json, the configuration.

const disk = await makeBootDisk(t, "damaged-own-files");
const tally = createTally();
const machine = rehearse(t, disk, "kept");
const statePath = rwlayerPaths("kept").state;
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
        readState(host, scratch, rwlayerPaths("kept"));
      } catch (error) {
        problem = error instanceof BootError ? undefined : String(error);
      }
      tally.count(t, `state.json cut off at ${String(length)}`, problem);
    }
  },
);

await t.test("a damaged state file costs no subvolume", async (t) => {
  const kinds = Object.keys(oddFiles(""));
  const contents: Record<string, string> = {
    "no JSON": "{",
    "no state": "{}",
    "another version": state.replace(/"version": \d/, '"version": 99'),
    "of nothing": `{"version":1,"rwlayer":"kept","subvolumes":[]}`,
    "of odd records": state.replace(/"uuid": "/g, '"uuid": "x'),
    "a prototype": `{"__proto__":${state}}`,
    "deep nesting": "[".repeat(500_000),
    garbage: "\u001b[2J\u0000\ud800".repeat(100),
  };
  for (const kind of [...kinds, ...Object.keys(contents)]) {
    await disk.look((top) => {
      const place = path.join(top, statePath);
      fs.removeSync(place);
      const content = contents[kind];
      if (content === undefined) {
        oddFiles(path.join(top, "socket"))[kind]?.(place);
      } else fs.writeFileSync(place, content);
    });
    const before = await disk.subvolumes();
    const outcome = machine.boot();
    const after = new Set(Object.values(await disk.subvolumes()));
    const gone = Object.entries(before).filter(([, uuid]) => !after.has(uuid));
    tally.count(
      t,
      `state.json is ${kind}`,
      judgeOutcome(outcome) ??
        (gone.length === 0 ? undefined : `gone: ${String(gone)}`) ??
        (outcome.status === 0 && kind !== "missing" ? "believed" : undefined),
    );
    machine.finish();
  }
  await disk.look((top) => {
    const place = path.join(top, statePath);
    fs.removeSync(place);
    fs.writeFileSync(place, state);
  });
  const { status, stderr } = machine.boot("", "--dry-run");
  t.equal(status, 0, `all is well with its own: ${stderr}`);
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
      outcome.status === 2 && kind !== "a FIFO"
        ? undefined
        : judgeOutcome(outcome),
    );
  }
});

await t.test("a record of any kind is read or refused", async (t) => {
  const place = path.join(machine.runDirectory, "boot.json");
  for (const [kind, make] of Object.entries(oddFiles(socket))) {
    fs.removeSync(place);
    make(place);
    for (const command of ["finish", "status"]) {
      const outcome = runDockroot(command, "--run-dir", machine.runDirectory);
      tally.count(
        t,
        `boot.json is ${kind}, for ${command}`,
        outcome.status === 0 ? "is believed" : judgeOutcome(outcome),
      );
    }
  }
  fs.removeSync(place);
  tally.record(t, "damaged own files");
});
