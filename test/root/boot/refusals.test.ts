// runner: tier=first seconds=6
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { OWN_RECORD } from "../../../runtime/disk/disk.ts";
import { run } from "../../../fixtures/run.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { failuresOn } from "../failures.ts";

const disk = await makeBootDisk(t, "refusals");

const fails = failuresOn(disk);

const subvolume = (command: string, ...args: string[]) =>
  run(["btrfs", "subvolume", command, ...args]);

for (const [what, make] of Object.entries<(place: string) => unknown>({
  "a subvolume of somebody else": (place) => subvolume("create", place),
  "a directory": (place) => {
    fs.mkdirSync(place);
    fs.writeFileSync(`${place}/file`, "precious");
  },
  "an empty directory": (place) => {
    fs.mkdirSync(place);
  },
  "a file": (place) => {
    fs.writeFileSync(place, "precious");
  },
  "a link to a subvolume": async (place) => {
    await subvolume("create", `${place}-target`);
    fs.symlinkSync(`${path.basename(place)}-target`, place);
  },
  "a link that leads nowhere": (place) => {
    fs.symlinkSync("/nowhere", place);
  },
})) {
  await t.test(
    `${what} in the rwlayer's place is refused and left alone`,
    async (t) => {
      const machine = rehearse(t, disk, `foreign-${what.replaceAll(" ", "-")}`);
      await disk.look((top) => make(`${top}/${machine.rwlayer}`));
      await fails(t, machine, "", "RWLAYER_FOREIGN", [machine.rwlayer]);
    },
  );
}

await t.test(
  "a subvolume that was put in the rwlayer's place is not taken for it",
  async (t) => {
    const machine = rehearse(t, disk, "swapped");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await disk.look(async (top) => {
      fs.renameSync(`${top}/swapped`, `${top}/swapped-away`);
      await subvolume("snapshot", `${top}/swapped-away`, `${top}/swapped`);
      fs.rmSync(`${top}/swapped/${OWN_RECORD}`);
    });
    await fails(t, machine, "", "RWLAYER_FOREIGN", ["swapped"]);
  },
);

await t.test(
  "dockroot's own directory is not followed where it is a link",
  async (t) => {
    const machine = rehearse(t, disk, "linked");
    await disk.look((top) => {
      fs.mkdirSync(`${top}/somewhere`);
      fs.symlinkSync("../somewhere", `${top}/.dockroot/linked`);
    });
    await fails(t, machine, "", "STEP_FAILED", [".dockroot/linked"]);
    await disk.look((top) => {
      fs.symlinkSync("somewhere", `${top}/link`);
    });
    await fails(t, machine, "rootflags=subvol=link/x", "RWLAYER_UNSUITABLE", [
      "link is not a directory",
    ]);
  },
);

await t.test(
  "a boot that fails leaves all as it was, and says why",
  async (t) => {
    const machine = rehearse(t, disk, "failing");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await fails(t, machine, "docker_image=sistem:1", "IMAGE_MISSING", [
      "sistem:1",
      "system:1",
      "because: docker_image=sistem:1 on the kernel command line, docker_path=docker on the kernel command line\n",
    ]);
    await fails(t, machine, "docker_image=system:3", "IMAGE_MISSING", [
      "system:3",
      "the store has: system:1, system:2",
    ]);
    await fails(t, machine, "docker_path=photos", "STORE_MISSING", ["photos"]);
    await fails(
      t,
      machine,
      `toplayer=LABEL=${disk.label} toplayer_path=nowhere`,
      "TOPLAYER_MISSING",
      ["nowhere"],
    );
    await fails(t, machine, "rootflags=subvol=docker/x", "RWLAYER_UNSUITABLE", [
      "docker",
    ]);
    await fails(
      t,
      machine,
      "rootflags=subvol=not/there",
      "RWLAYER_UNSUITABLE",
      ["not is absent"],
    );
    await fails(
      t,
      machine,
      "rootflags=subvol=failing,nonsense=1",
      "MOUNT_FAILED",
      ["nonsense"],
    );
    await fails(
      t,
      machine,
      "docker_image=bare:1",
      "INIT_MISSING",
      ["/sbin/init"],
      "staging",
    );
    await fails(
      t,
      machine,
      "init=/sbin/nothing",
      "INIT_MISSING",
      ["/sbin/nothing"],
      "staging",
    );
    await fails(
      t,
      machine,
      "rootflags=subvolid=300",
      "INVALID_OPTION",
      ["subvolid"],
      "staging",
    );
    t.equal(machine.finish().status, 1, "there is nothing to finish");

    await disk.look((top) => {
      fs.writeFileSync(`${top}/.dockroot/failing/state.json`, "{");
      fs.rmSync(`${top}/failing/${OWN_RECORD}`);
    });
    await fails(
      t,
      machine,
      "",
      "RWLAYER_FOREIGN",
      ["failing cannot be proved", "state.json is damaged"],
      "staging",
    );
  },
);

await t.test(
  "what the configuration names is told with its file",
  async (t) => {
    const machine = rehearse(t, disk, "configured", "");
    const config = path.join(machine.runDirectory, "../config.json");
    const rebuild =
      "The initramfs has a copy of that file: dockroot install makes it anew.";
    fs.writeFileSync(config, '{"docker_image":"archlinux/base"}');
    await fails(t, machine, "", "IMAGE_MISSING", [
      `because: docker_image=archlinux/base in ${config}, docker_tag=latest as the built-in default, docker_path=docker on the kernel command line\n`,
      rebuild,
    ]);
    await fails(t, machine, "docker_tag=2", "IMAGE_MISSING", [
      `docker_image=archlinux/base in ${config}, docker_tag=2 on the kernel command line`,
    ]);
    fs.writeFileSync(
      config,
      `{"docker_image":"system:1","toplayer":"LABEL=${disk.label}","toplayer_path":"nowhere"}`,
    );
    await fails(t, machine, "", "TOPLAYER_MISSING", [
      `because: toplayer=LABEL=${disk.label} in ${config}, toplayer_path=nowhere in ${config}\n`,
      rebuild,
    ]);
    fs.writeFileSync(config, '{"docker_image":"UPPER"}');
    await fails(t, machine, "", "INVALID_REFERENCE", [
      `docker_image=UPPER in ${config}`,
    ]);
  },
);

await t.test("wrong usage ends with status 2", async (t) => {
  for (const args of [
    ["boot", "--nonsense"],
    ["boot", "an-argument"],
    ["boot", "--cmdline"],
    ["boot", "--cmdline", "/nowhere/cmdline"],
    ["boot", "--cmdline", "/proc/cmdline", "--config", "/nowhere/config"],
    ["finish", "--cmdline", "/dev/null"],
    ["start"],
  ]) {
    const { status, stdout, stderr } = runDockroot(...args);
    t.equal(status, 2, `${args.join(" ")}: ${stderr}`);
    t.equal(stdout, "");
    t.match(stderr, /^dockroot: /);
    t.notMatch(stderr, /^ +at /m);
  }
});
