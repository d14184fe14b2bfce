import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { makeKernel } from "../../../fixtures/boot-files.ts";
import {
  addDeployment,
  addGeneration,
  KERNEL,
  OPTIONS,
  recordDeployments,
  recordGeneration,
  setMenu,
  setNext,
  type DoctorMachine,
} from "./captured-doctor.ts";
import { holdCases, type Cases } from "./doctor-cases.ts";

/** A machine with two deployments: the first one runs, the second one boots next. */
function deploy(machine: DoctorMachine) {
  const first = addDeployment(machine, 1);
  const second = addDeployment(machine, 2);
  recordDeployments(machine, [first, second]);
  return { first, second };
}

const DEPLOYMENTS: Cases = {
  "one that runs, and one that boots next": (machine) => {
    deploy(machine);
  },
  "an initramfs that is cut short": (machine) => {
    const { second } = deploy(machine);
    const file = path.join(machine.system.at, second.directory, "initrd");
    fs.truncateSync(file, 1500);
  },
  "an initramfs that is gone": (machine) => {
    const { second } = deploy(machine);
    machine.system.remove(`${second.directory}/initrd`);
  },
  "an initramfs that is gone, of what does not boot next": (machine) => {
    const { first } = deploy(machine);
    machine.system.remove(`${first.directory}/initrd`);
  },
  "the same, and grub-reboot has chosen it": (machine) => {
    const { first } = deploy(machine);
    machine.system.remove(`${first.directory}/initrd`);
    const block =
      "# GRUB Environment Block\nnext_entry=dockroot-docker_rwlayer-1\n";
    machine.system.write("boot/grub/grubenv", block.padEnd(1024, "#"));
  },
  "an initramfs that was made here is another": (machine) => {
    const { first, second } = deploy(machine);
    const kernel = { ...second.kernel, initramfs: "machine" } as const;
    recordDeployments(machine, [first, { ...second, kernel }]);
    const older = Buffer.concat([makeKernel(KERNEL), Buffer.from("older")]);
    machine.system.write(`${second.directory}/linux`, older);
  },
  "kernel and initramfs are gone": (machine) => {
    const { second } = deploy(machine);
    machine.system.remove(`${second.directory}/initrd`);
    machine.system.remove(`${second.directory}/linux`);
  },
  "an older build of the kernel": (machine) => {
    const { second } = deploy(machine);
    const older = Buffer.concat([makeKernel(KERNEL), Buffer.from("older")]);
    machine.system.write(`${second.directory}/linux`, older);
  },
  "an entry of a deployment that there is not": (machine) => {
    const { first } = deploy(machine);
    recordDeployments(machine, [first]);
  },
  "one without an entry": (machine) => {
    deploy(machine);
    setMenu(machine);
    machine.system.remove("boot/grub/dockroot.cfg");
  },
  "kernels on the disk of the images, and no entry for them": (machine) => {
    const { second } = deploy(machine);
    setMenu(machine);
    machine.system.remove("boot/grub/dockroot.cfg");
    for (const name of ["linux", "initrd"]) {
      const from = path.join(machine.system.at, second.directory, name);
      const target = second.directory.replace("boot/", "");
      machine.disk.write(`${target}/${name}`, fs.readFileSync(from));
    }
  },
  "the menu boots the former one": (machine) => {
    deploy(machine);
    setNext(machine, 1);
  },
  "the menu boots another entry": (machine) => {
    deploy(machine);
    const other = "set default='docker'\n";
    machine.system.edit("boot/grub/dockroot.cfg", (text) => text + other);
  },
  "an entry that grub-reboot has chosen": (machine) => {
    deploy(machine);
    const block = "# GRUB Environment Block\nnext_entry=docker\n";
    machine.system.write("boot/grub/grubenv", block.padEnd(1024, "#"));
  },
  "no boot loader": (machine) => {
    deploy(machine);
    machine.system.remove("boot/grub");
  },
  "an image that is kept no longer": (machine) => {
    const { first } = deploy(machine);
    const [, hex = ""] = first.image.id.split(":");
    machine.disk.remove(`.dockroot/images/${hex}/image.json`);
  },
  "an image of a candidate that is kept no longer": (machine) => {
    const { first, second } = deploy(machine);
    const image = { ...second.image, id: `sha256:${"9".repeat(64)}` };
    const options = second.options.replace(second.image.id, image.id);
    const state = "candidate";
    recordDeployments(machine, [first, { ...second, image, options, state }]);
    machine.system.edit("boot/grub/dockroot.cfg", (text) =>
      text.replace(second.options, options),
    );
  },
  "a record that is damaged": (machine) => {
    deploy(machine);
    machine.disk.write(
      ".dockroot/docker_rwlayer/deployments.json",
      '{ "version": 1',
    );
  },
  "room for a few": (machine) => {
    const { second } = deploy(machine);
    machine.free.set("/boot", 2.5 * second.kernel.bytes);
  },
};

const FORMER: Cases = {
  "an image that is gone": (machine) => {
    addGeneration(machine, ".dockroot/docker_rwlayer/generations/3");
    recordGeneration(machine);
    setMenu(machine, { options: OPTIONS.replace("one:1", "gone:1") });
  },
  "the same, and none may boot": (machine) => {
    addGeneration(machine, ".dockroot/docker_rwlayer/generations/3");
    recordGeneration(machine);
    const options = OPTIONS.replace("one:1", "gone:1");
    setMenu(machine, { options: `${options} dockroot.fallback=none` });
  },
  "an image without an init": (machine) => {
    addGeneration(machine, ".dockroot/docker_rwlayer/generations/3");
    recordGeneration(machine);
    machine.image.remove("usr/sbin/init");
  },
};

await holdCases(t, "deployments.txt", {
  "the deployments": [DEPLOYMENTS],
  "an earlier root that would boot": [FORMER],
});
