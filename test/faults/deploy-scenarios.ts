import fs from "fs-extra";
import path from "node:path";
import type { Test } from "tap";
import { withDockerEngine } from "../../fixtures/image-store.ts";
import { run } from "../../fixtures/run.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import {
  attach,
  detach,
  lookAt,
  makeBootDisk,
  rehearse,
  type BootDisk,
} from "../root/boot-disk.ts";
import { addKernel, FIRST, SECOND } from "../root/deploy/deploy-system.ts";
import { addGenerator } from "../root/deploy/stand-in-generator.ts";
import {
  requireDone,
  runOnMachine,
  type DeployMachine,
} from "./deploy-machine.ts";
import { plainMachine } from "./faulty-start.ts";

/** A disk, the machine that has it, and what somebody does with its deployments. */
export interface DeployScenario {
  readonly name: DeployName;
  /** Not in use. */
  readonly disk: string;
  readonly machine: DeployMachine;
  /** The arguments of dockroot. */
  readonly command: readonly string[];
  /** Those that the command may remove. */
  readonly mayGo: readonly number[];
  /** What boots next meanwhile, if that is another one than before, and afterwards. */
  readonly next: readonly number[];
}

export const STATE = ".dockroot/docker_rwlayer/deployments.json";

const RWLAYER = "docker_rwlayer";
const THIRD = "6.13.0-test";
const FOURTH = "6.14.0-test";
const WRITABLE = ["subvolid=5"];

/** What others have where dockroot has its own. */
export const FOREIGN = {
  image: `.dockroot/images/${"e".repeat(64)}`,
  bootFiles: `dockroot/${"f".repeat(64)}`,
  custom: `# mine\nset timeout=3\n# dockroot default: begin\nmenuentry 'by hand' {\n    linux /boot/mine root=LABEL=other\n}\n# dockroot default: end\n`,
};

interface Sketch {
  readonly base: "nothing" | "three";
  /** Whether dockroot has booted what runs. */
  readonly isBooted: boolean;
  readonly command: readonly string[];
  readonly mayGo?: readonly number[];
  readonly next: readonly number[];
  readonly prepare?: (state: Deployments) => Deployments;
}

const upgrade = ["upgrade", "--pull=never"];

const sketches = {
  "the first upgrade": {
    base: "nothing",
    isBooted: false,
    command: upgrade,
    next: [1],
  },
  "the first upgrade, of what runs": {
    base: "nothing",
    isBooted: true,
    command: [...upgrade, "next:1"],
    next: [1, 2],
  },
  "a switch, with which the oldest goes": {
    base: "three",
    isBooted: true,
    command: ["switch", "next:2", "--pull=never"],
    mayGo: [1],
    next: [4],
  },
  "a switch, with an initramfs that is made here": {
    base: "three",
    isBooted: true,
    command: ["switch", "next:3", "--pull=never", "--initramfs=machine"],
    mayGo: [1],
    next: [4],
  },
  "a rollback": {
    base: "three",
    isBooted: true,
    command: ["rollback", "1"],
    next: [1],
  },
  "a removal": {
    base: "three",
    isBooted: true,
    command: ["remove", "2"],
    mayGo: [2],
    next: [3],
  },
  "a collection": {
    base: "three",
    isBooted: true,
    command: ["gc"],
    mayGo: [1],
    next: [3],
    prepare: (state) => ({
      ...state,
      deployments: state.deployments.map((each) =>
        each.n === 1 ? { ...each, state: "bad", failure: "it hung" } : each,
      ),
    }),
  },
} satisfies Record<string, Sketch>;

/** The line of shell that runs its command. */
export function commandOf({ command }: DeployScenario): string {
  return `dockroot ${command.join(" ")}\n`;
}

export type DeployName = keyof typeof sketches;

export const deployNames = Object.keys(sketches) as DeployName[];

/** Makes scenarios, each on a disk of its own; all these disks have one UUID. */
export async function makeDeployScenarios(
  t: Test,
  names: readonly DeployName[] = deployNames,
): Promise<readonly DeployScenario[]> {
  const base = await makeBootDisk(t, "deploy-scenarios", (tree) => {
    addKernel(tree, FIRST);
  });
  await base.look(makeNeighbours);
  await buildImages(base);
  const { label } = base;
  const cmdline = `root=LABEL=${label} rootflags=subvol=${RWLAYER} rw docker_path=docker docker_image=system:1 quiet`;
  const machineOf = (release: string, record?: string): DeployMachine => ({
    ...{ label, cmdline, release, record },
  });
  /** Boots as the options say. @returns boot.json */
  const boot = (options: string): string => {
    const machine = rehearse(t, base, RWLAYER, options);
    const { status, stderr } = machine.boot();
    if (status !== 0) throw new Error(stderr);
    machine.finish();
    return fs.readFileSync(`${machine.runDirectory}/boot.json`, "utf8");
  };
  const keepDisk = async (name: string) => {
    await detach(base.file);
    const disk = path.join(base.scratch, name);
    await run(["cp", "--sparse=always", "--", base.file, disk]);
    return disk;
  };
  const unbooted = machineOf(FIRST);
  const adopted = machineOf(FIRST, boot("docker_image=system:1"));
  const nothing = await keepDisk("nothing");
  await attach(t, base.file);

  const deploy = (machine: DeployMachine, ...args: string[]) => {
    const script = `dockroot ${args.join(" ")}`;
    const directory = `${base.scratch}/machine`;
    requireDone(runOnMachine(plainMachine, directory, machine, script));
  };
  const optionsOf = (n: number) =>
    base.look((top) => {
      const state = fs.readJsonSync(`${top}/${STATE}`) as Deployments;
      return state.deployments.find((each) => each.n === n)?.options ?? "";
    });
  deploy(adopted, ...upgrade, "next:1");
  const second = machineOf(SECOND, boot(await optionsOf(2)));
  deploy(second, "switch", "system:2", "--pull=never");
  const third = machineOf(FIRST, boot(await optionsOf(3)));
  const three = await keepDisk("three");

  return Promise.all(
    names.map(async (name): Promise<DeployScenario> => {
      const sketch: Sketch = sketches[name];
      const { command, mayGo = [], next, isBooted, prepare } = sketch;
      let disk = sketch.base === "nothing" ? nothing : three;
      if (prepare !== undefined) {
        const prepared = path.join(base.scratch, name);
        await run(["cp", "--sparse=always", "--", disk, prepared]);
        await attach(t, prepared);
        await lookAt(
          prepared,
          (top) => {
            const file = `${top}/${STATE}`;
            const state = fs.readJsonSync(file) as Deployments;
            fs.writeFileSync(file, JSON.stringify(prepare(state)));
          },
          WRITABLE,
        );
        await detach(prepared);
        disk = prepared;
      }
      const booted = sketch.base === "nothing" ? adopted : third;
      const machine = isBooted ? booted : unbooted;
      return { name, disk, machine, command, mayGo, next };
    }),
  );
}

/** A user's own, all around. */
async function makeNeighbours(top: string): Promise<void> {
  fs.outputFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
  fs.outputFileSync(`${top}/grub/custom.cfg`, FOREIGN.custom);
  fs.outputFileSync(`${top}/dockroot/README`, "mine\n");
  fs.outputFileSync(`${top}/${FOREIGN.bootFiles}/linux`, "mine\n");
  fs.mkdirpSync(`${top}/${FOREIGN.image}`);
  for (const name of ["home", `${FOREIGN.image}/tree`]) {
    await run(["btrfs", "subvolume", "create", `${top}/${name}`]);
    fs.writeFileSync(`${top}/${name}/precious`, name);
  }
}

/** What it makes is the initramfs that the image has, by which that of an entry is known to be whole. */
async function addSameGenerator(tree: string, release: string): Promise<void> {
  for (const name of ["dev", "proc", "run", "sys"]) {
    fs.mkdirpSync(`${tree}/${name}`);
  }
  const initramfs = fs.readFileSync(`${tree}/boot/initrd.img-${release}`);
  await addGenerator(tree, release, initramfs);
}

/** What `upgrade` looks for in an image whose boots it has counted. */
function addConfirmation(tree: string): void {
  for (const file of [
    ...["systemd", "system/boot-complete.target"],
    ...[
      "system/basic.target.d/dockroot.conf",
      "system/dockroot-confirm.service",
    ],
  ]) {
    fs.outputFileSync(`${tree}/usr/lib/systemd/${file}`, "");
  }
}

/**
 * `next:1`, `next:2` and `next:3` have kernels of their own; the boots of `next:2` are counted, and `next:3` has a
 * generator.
 */
function buildImages(base: BootDisk): Promise<void> {
  return base.look(async (top) => {
    const scratch = path.join(base.scratch, "build");
    await withDockerEngine(`${top}/docker`, scratch, async ({ docker }) => {
      for (const [tag, release] of [
        ["next:1", SECOND],
        ["next:2", THIRD],
        ["next:3", FOURTH],
      ] as const) {
        const context = path.join(scratch, release);
        addKernel(context, release);
        if (release === THIRD) addConfirmation(context);
        if (release === FOURTH) await addSameGenerator(context, release);
        const lines = [
          ...["FROM system:1 AS base", "FROM scratch"],
          ...["COPY --from=base /sbin /sbin", "COPY --from=base /etc /etc"],
          "COPY . /",
        ];
        fs.writeFileSync(`${context}/Dockerfile`, lines.join("\n"));
        await docker(["build", "--network=none", `--tag=${tag}`, context]);
      }
    });
  });
}
