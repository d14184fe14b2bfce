import fs from "node:fs";
import type { Test } from "tap";
import type { Status } from "../../../installer/status/formats/status.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import type { BootDisk, Rehearsal } from "../boot-disk.ts";

/** @returns the status as data, and as text; both leave no trace */
export async function tellStatus(t: Test, disk: BootDisk, machine: Rehearsal) {
  const before = await disk.traces();
  const call = ["status", "--run-dir", machine.runDirectory];
  const text = runDockroot(...call);
  const json = runDockroot(...call, "--json");
  t.strictSame(await disk.traces(), before, "nothing stays mounted");
  t.strictSame(
    fs.readdirSync(machine.runDirectory).toSorted(),
    ["boot.json", "boot.log"],
    "nor does a mount point",
  );
  t.equal(json.stderr, "");
  t.equal(text.stderr, "");
  t.equal(text.status, json.status);
  const status = JSON.parse(json.stdout) as Status;
  return { text: text.stdout, exitStatus: text.status, status };
}

/** A boot that succeeds. */
export function start(t: Test, machine: Rehearsal, options = ""): void {
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
}
