import fs from "fs-extra";
import path from "node:path";
import type { Test } from "tap";
import type { Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearseCmdline, type BootDisk } from "../boot-disk.ts";
import { prepareSystem, runInSystem } from "../private-system.ts";

/** A machine that has booted a root, and runs the executable in it. */
export interface DiffMachine {
  readonly disk: BootDisk;
  /** Makes the next root, and hands it over. */
  readonly boot: () => void;
  readonly dockroot: (...args: string[]) => Outcome;
  /** The same as a call of a program; what is in its directory is replaced. */
  readonly call: (...args: string[]) => string[];
  readonly inRoot: <T>(
    work: (root: string, top: string) => T | Promise<T>,
  ) => Promise<T>;
}

/** @param layer the directory of its top layer, on the top level */
export async function makeDiffMachine(
  t: Test,
  name: string,
  addToTree: (tree: string) => void,
  layer?: string,
): Promise<DiffMachine> {
  const disk = await makeBootDisk(t, name, addToTree);
  const cmdline = `root=LABEL=${disk.label} rootflags=subvol=docker_rwlayer rw docker_path=docker docker_image=system:1 dockroot.generations=3${layer === undefined ? "" : ` toplayer=LABEL=${disk.label} toplayer_path=${layer}`}`;
  const machine = rehearseCmdline(t, disk.scratch, "docker_rwlayer", cmdline);
  const ownRun = path.join(disk.scratch, "own-run");
  const system = {
    ...{ etc: {}, cmdline },
    store: ["-o", "subvol=docker", `LABEL=${disk.label}`],
    mounts: [["--bind", ownRun, "/run"]],
  };
  const scratch = path.join(disk.scratch, "system");
  return {
    disk,
    boot: () => {
      const { status, stderr } = machine.boot();
      t.equal(status, 0, stderr);
      const finished = machine.finish();
      t.equal(finished.status, 0, finished.stderr);
      // As the running system has it.
      fs.copySync(machine.runDirectory, `${ownRun}/dockroot`);
    },
    dockroot: (...args) => runInSystem(scratch, system, ...args),
    call: (...args) => prepareSystem(scratch, system, ...args),
    inRoot: (work) => disk.look((top) => work(`${top}/docker_rwlayer`, top)),
  };
}
