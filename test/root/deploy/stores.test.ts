// runner: tier=first seconds=20
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { makeBaseTree, packTree } from "../../../fixtures/images.ts";
import { makeDisk } from "../../../fixtures/loop-disk.ts";
import { makeOciImage, writeOciLayout } from "../../../fixtures/oci-image.ts";
import { makePodmanEngine } from "../../../fixtures/podman-engine.ts";
import { run } from "../../../fixtures/run.ts";
import { startContainerd } from "../../../fixtures/system-containerd.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { goArchitecture } from "../../../runtime/images/image-ref.ts";
import type { Deployments } from "../../../runtime/records/deployments.ts";
import { attach, lookAt, newLabel, rehearseCmdline } from "../boot-disk.ts";
import { runInSystem } from "../private-system.ts";
import { makeScratch } from "../scratch.ts";
import { addKernel, FIRST, SECOND } from "./deploy-system.ts";

const scratch = makeScratch(t, "deploy-stores");

/** Whose store is of another kind than Docker's own. */
interface Engine {
  /** Of the subvolume that is its store, too. */
  readonly name: string;
  /** How it is told that its store is at `storeOf`. */
  readonly etc: Readonly<Record<string, string>>;
  /** Does work with it. */
  readonly use: (
    work: (engine: RunningEngine) => Promise<void>,
  ) => Promise<void>;
  /** Whether `upgrade` can ask it for the image. */
  readonly answers: boolean;
}

interface RunningEngine {
  /** Makes an image of a tree. */
  readonly add: (tree: string, name: string) => Promise<unknown>;
  /** Removes all images. */
  readonly clear: () => Promise<unknown>;
}

/** Where the store of an engine is mounted, for the engine and for dockroot. */
const storeOf = (name: string) => path.join(scratch, name, "store");

const podman: Engine = {
  name: "podman",
  etc: {
    "containers/storage.conf": [
      "[storage]",
      'driver = "btrfs"',
      `graphroot = "${storeOf("podman")}"`,
      `runroot = "${path.join(scratch, "podman/run")}"`,
    ].join("\n"),
  },
  use: async (work) => {
    const { podman, shared } = await makePodmanEngine({
      graphRoot: storeOf("podman"),
      scratchDir: path.join(scratch, "podman/engine"),
    });
    await work({
      add: async (tree, name) => {
        const tar = path.join(shared, "tree.tar");
        await fs.move(await packTree(tree), tar, { overwrite: true });
        await podman(["import", tar, name]);
      },
      clear: () => podman(["system", "prune", "--all", "--force"]),
    });
  },
  answers: true,
};

const containerd: Engine = {
  name: "containerd",
  etc: {
    "containerd/config.toml": `root = "${storeOf("containerd")}"`,
  },
  use: async (work) => {
    const { ctr, stop } = await startContainerd(storeOf("containerd"));
    try {
      await work({
        add: async (tree, name) => {
          const host = createHost("/", createLog([]));
          const image = await makeOciImage([tree], goArchitecture(host));
          const names = [`docker.io/library/${name}`];
          const tar = path.join(scratch, "containerd/image.tar");
          await writeOciLayout(tar, [{ image, names }]);
          await ctr("images", "import", "--snapshotter", "btrfs", tar);
        },
        clear: async () => {
          const names = await ctr("images", "list", "--quiet");
          await ctr("images", "rm", "--sync", ...names.split("\n"));
        },
      });
    } finally {
      await stop();
    }
  },
  answers: false,
};

for (const engine of [podman, containerd]) {
  await t.test(engine.name, (t) => testEngine(t, engine));
}

async function testEngine(
  t: Test,
  { name, etc, use, answers }: Engine,
): Promise<void> {
  const file = path.join(scratch, `${name}-disk`);
  const label = newLabel();
  await makeDisk(file, { label, sizeBytes: 512 * 1024 ** 2 });
  await attach(t, file);
  const store = storeOf(name);
  fs.mkdirpSync(store);
  const look = <T>(work: (top: string) => T | Promise<T>) =>
    lookAt(file, work, ["subvolid=5"]);
  const inEngine: Engine["use"] = async (work) => {
    await run(["mount", "-o", `subvol=${name}`, `LABEL=${label}`, store]);
    const leave = undoLater(() => run(["umount", store]).then());
    try {
      await use(work);
    } finally {
      await leave();
    }
  };
  await look(async (top) => {
    fs.outputFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
    await run(["btrfs", "subvolume", "create", `${top}/${name}`]);
  });
  await inEngine(async ({ add }) => {
    for (const [index, release] of [FIRST, SECOND].entries()) {
      const tree = path.join(scratch, name, release);
      await makeBaseTree(tree);
      addKernel(tree, release);
      await add(tree, `system:${String(index + 1)}`);
    }
  });

  let cmdline = "quiet";
  let mounts = [["-o", `subvol=${name}`, `LABEL=${label}`, store]];
  const dockroot = (...args: string[]) =>
    runInSystem(
      path.join(scratch, name, "system"),
      { etc, cmdline, mounts },
      ...args,
    );
  const pull = answers ? [] : ["--pull=never"];
  const optionsOf = (n: number) =>
    look((top) => {
      const at = `${top}/.dockroot/docker_rwlayer/deployments.json`;
      const { deployments } = fs.readJsonSync(at) as Deployments;
      return deployments.find((each) => each.n === n)?.options ?? "";
    });
  const boot = (n: number, image: string) => {
    const machine = rehearseCmdline(
      t,
      path.join(scratch, name, `boot-${String(n)}`),
      "docker_rwlayer",
      `${cmdline} dockroot.fallback=none`,
    );
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.match(machine.record(), {
      result: "fresh",
      deployment: n,
      image: { reference: image },
    });
    t.equal(machine.finish().status, 0);
  };

  await t.test(
    "the first deployment, from a system that has the engine",
    async (t) => {
      const { status, stdout, stderr } = dockroot(
        "upgrade",
        "system:1",
        ...pull,
      );
      t.equal(status, 0, stderr);
      t.match(stdout, `to:   dockroot 1: system:1 (${FIRST})`);
      if (answers) t.match(stdout, "system:1 was built here");
      cmdline = await optionsOf(1);
      boot(1, "system:1");
    },
  );

  await t.test(
    "the next one, from the system that it has booted",
    async (t) => {
      const { status, stdout, stderr } = dockroot(
        "upgrade",
        "system:2",
        ...pull,
      );
      t.equal(status, 0, stderr);
      t.match(stdout, `from: dockroot 1: system:1 (${FIRST})`);
      t.match(stdout, `to:   dockroot 2: system:2 (${SECOND})`);
      cmdline = await optionsOf(2);
      boot(2, "system:2");
    },
  );

  await t.test(
    "both boot when the engine has removed its images",
    async (t) => {
      await inEngine(({ clear }) => clear().then());
      boot(2, "system:2");
      const { status, stderr } = dockroot(
        "upgrade",
        "system:2",
        "--pull=never",
      );
      t.equal(status, 1);
      t.match(stderr, "system:2 is not in the store");
      // In a system that dockroot has not booted.
      cmdline = "quiet";
      const unnamed = dockroot("rollback", "1");
      t.equal(unnamed.status, 1);
      t.match(unnamed.stderr, /which disk has the deployments: there is no /);
      t.match(unnamed.stderr, /--store-path \/var/);
      const named = dockroot("rollback", "1", "--store-path", store);
      t.equal(named.status, 0, named.stderr);
      cmdline = await optionsOf(1);
      boot(1, "system:1");
    },
  );

  await t.test("and when its store is gone", async (t) => {
    mounts = [];
    await look(async (top) => {
      const list = await run(["btrfs", "subvolume", "list", top]);
      const paths = list
        .split("\n")
        .map((line) => line.split(" ").at(-1) ?? "");
      const own = paths.filter((each) => each.startsWith(`${name}/`));
      for (const each of [...own.toReversed(), name]) {
        await run(["btrfs", "subvolume", "delete", `${top}/${each}`]);
      }
    });
    boot(1, "system:1");
    const upgrade = dockroot("upgrade", "system:2", "--pull=never");
    t.equal(upgrade.status, 1);
    t.match(upgrade.stderr, `there is no image store at ${name}`);
    const { status, stderr } = dockroot("gc");
    t.equal(status, 0);
    t.equal(stderr, "");
    t.equal(dockroot("rollback", "2").status, 0);
    cmdline = await optionsOf(2);
    boot(2, "system:2");
  });
}
