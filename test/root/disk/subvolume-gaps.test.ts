// runner: tier=first seconds=9
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { withDockerEngine } from "../../../fixtures/image-store.ts";
import { buildImage } from "../../../fixtures/images.ts";
import { run } from "../../../fixtures/run.ts";
import { listTree } from "../../../fixtures/tree-listing.ts";
import type { CheckReport } from "../../../installer/toplayer/rules/find-problems.ts";
import { conforms } from "../../conforms.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";
import { layersOption } from "../toplayer/layers-option.ts";
import { runInSystem } from "../private-system.ts";

// Subvolumes that a build step has made in an image. A snapshot leaves them out, and nothing can be
// created in what it has in their place.

/** As systemd-tmpfiles makes them, and one that nobody expects. */
const NESTED = {
  "var/lib/machines": "40700 0:0",
  "var/lib/portables": "40700 0:0",
  "var/tmp": "41777 0:0",
  "srv/mine": "42750 7:8",
};

const KNOWN = ["var/lib/machines", "var/lib/portables", "var/tmp"] as const;

const disk = await makeBootDisk(t, "gaps", (tree) => {
  fs.mkdirSync(path.join(tree, "var/lib"), { recursive: true });
});

await disk.look(async (top) => {
  const source = path.join(top, sourceOf("system:1"));
  for (const [name, attributes] of Object.entries(NESTED)) {
    const directory = path.join(source, name);
    await run(["btrfs", "subvolume", "create", directory]);
    const [mode = "", owner = ""] = attributes.split(" ");
    const [uid = "", gid = ""] = owner.split(":");
    fs.chownSync(directory, Number(uid), Number(gid));
    fs.chmodSync(directory, Number.parseInt(mode.slice(1), 8));
    fs.symlinkSync("/etc", path.join(directory, "not-in-a-snapshot"));
  }
  await withDockerEngine(path.join(top, "docker"), disk.scratch, (engine) =>
    buildImage(engine, path.join(disk.scratch, "context"), "system:3", [
      "FROM system:1",
      "COPY second /etc/second",
    ]),
  );
  fs.mkdirSync(path.join(top, "layers"));
});

/** `system:1` has them in its last layer; in `system:3`, that is a snapshot of one that has them. */
const IMAGES = { "system:1": 256, "system:3": 2 };

for (const [image, inode] of Object.entries(IMAGES)) {
  const own = `docker_image=${image}`;
  const name = image.replace(":", "");
  const source = sourceOf(image);

  await t.test(`${image}, without a top layer`, async (t) => {
    const before = await disk.look((top) => {
      t.equal(fs.lstatSync(path.join(top, source, "var/tmp")).ino, inode);
      return listTree(path.join(top, source), { changeTimes: true });
    });
    const machine = rehearse(t, disk, name, own);
    start(t, machine);
    t.ok(
      machine
        .record()
        .steps.some(
          ({ step }) =>
            step ===
            "create directories in place of the image's nested subvolumes: /var/tmp, /var/lib/machines, /var/lib/portables",
        ),
    );
    await disk.look((top) => {
      for (const known of KNOWN) {
        const directory = path.join(top, name, known);
        t.equal(attributesOf(directory), NESTED[known], known);
        t.strictSame(fs.readdirSync(directory), []);
        fs.mkdirSync(path.join(directory, "new"));
      }
      const other = path.join(top, name, "srv/mine");
      t.throws(() => fs.mkdirSync(path.join(other, "new")), "as it was");
      t.strictSame(
        listTree(path.join(top, source), { changeTimes: true }),
        before,
        "the layer is not written to",
      );
    });
    const plan = machine.boot("", "--dry-run", "--json");
    conforms(t, "boot-plan", JSON.parse(plan.stdout));
  });

  await t.test(`${image}, with a top layer`, async (t) => {
    const layer = `${name}-layer`;
    await disk.look((top) => {
      for (const file of [
        "var/lib/machines/deep/file",
        "var/lib/portables/not-in-a-snapshot/file",
        "srv/mine/not-in-a-snapshot/file",
        "srv/mine/file",
      ]) {
        const whole = path.join(top, "layers", layer, file);
        fs.mkdirSync(path.dirname(whole), { recursive: true });
        fs.writeFileSync(whole, file);
      }
      fs.chmodSync(path.join(top, "layers", layer, "srv/mine"), 0o711);
    });
    const options = `${own} ${layersOption(disk, [layer])}`;
    const machine = rehearse(t, disk, `${name}-over`, options);
    start(t, machine);
    t.strictSame(machine.record().warnings, []);
    await disk.look((top) => {
      const root = path.join(top, `${name}-over`);
      const files = listTree(path.join(top, "layers", layer));
      for (const [file, { kind }] of Object.entries(files)) {
        t.equal(kindOf(path.join(root, file)), kind, file);
      }
      t.equal(attributesOf(path.join(root, "srv/mine")), "40711 0:0");
      t.equal(attributesOf(path.join(root, "var/tmp")), NESTED["var/tmp"]);
      fs.mkdirSync(path.join(root, "srv/mine/new"));
    });
  });
}

await t.test("a root that is kept keeps its own subvolumes", async (t) => {
  const keep = `docker_image=system:3 dockroot.rwlayer=keep dockroot.toplayer=always ${layersOption(disk, ["keep"])}`;
  const file = "srv/mine/file";
  await disk.look((top) => {
    fs.mkdirSync(path.join(top, "layers/keep/etc"), { recursive: true });
  });
  const machine = rehearse(t, disk, "keep", keep);
  start(t, machine);
  await disk.look(async (top) => {
    const own = path.join(top, "keep/var/lib/machines/own");
    await run(["btrfs", "subvolume", "create", own]);
    fs.writeFileSync(path.join(own, "file"), "");
    const layer = path.join(top, "layers/keep", path.dirname(file));
    fs.mkdirSync(layer, { recursive: true });
    fs.writeFileSync(path.join(top, "layers/keep", file), "");
    fs.mkdirSync(path.join(top, "layers/keep/var/lib/machines/own"), {
      recursive: true,
    });
  });
  start(t, machine);
  t.equal(machine.record().result, "kept");
  await disk.look((top) => {
    const own = path.join(top, "keep/var/lib/machines/own");
    t.equal(fs.lstatSync(own).ino, 256);
    t.strictSame(fs.readdirSync(own), ["file"]);
    t.equal(kindOf(path.join(top, "keep", file)), "file");
  });
});

await t.test("toplayer check and doctor", async (t) => {
  const system = {
    etc: { "dockroot.json": '{ "docker_image": "system:3" }' },
    store: ["-o", "ro,subvol=docker", `LABEL=${disk.label}`],
  };
  const dockroot = (...args: string[]) =>
    runInSystem(path.join(disk.scratch, "system"), system, ...args);
  const layer = path.join(disk.scratch, "layer");
  fs.mkdirSync(path.join(layer, "var/lib/machines"), { recursive: true });
  const { stdout } = dockroot(
    ...["toplayer", "check", layer, "--image", "system:3", "--json"],
  );
  const { problems } = JSON.parse(stdout) as CheckReport;
  t.match(problems, [
    {
      rule: "directory-opened",
      message:
        /^\/var\/lib\/machines has the mode 0755, the image's .* has 0700/,
    },
  ]);
  t.match(
    dockroot("doctor", "--image", "system:3").stdout,
    /warning: image: the image system:3: a build step created btrfs subvolumes in it, and nothing can be created where they were: \/srv\/mine$/m,
  );
});

function start(t: Test, machine: Rehearsal): void {
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
}

/** The source of an image, relative to the top level. */
function sourceOf(image: string): string {
  const machine = rehearse(t, disk, "look", `docker_image=${image}`);
  const { stdout, stderr } = machine.boot("", "--dry-run", "--json");
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as { source: string }).source;
}

function attributesOf(file: string): string {
  const { mode, uid, gid } = fs.lstatSync(file);
  return `${mode.toString(8)} ${String(uid)}:${String(gid)}`;
}

function kindOf(file: string): string {
  return fs.lstatSync(file).isDirectory() ? "directory" : "file";
}

await t.test("one in another, and one that a link leads to", async (t) => {
  const source = sourceOf("system:1");
  await disk.look(async (top) => {
    const tree = path.join(top, source);
    fs.rmSync(path.join(tree, "tmp"), { recursive: true, force: true });
    fs.symlinkSync("var/tmp", path.join(tree, "tmp"));
    fs.renameSync(path.join(tree, "var"), path.join(tree, "former"));
    for (const name of ["var", "var/tmp"]) {
      await run(["btrfs", "subvolume", "create", path.join(tree, name)]);
    }
  });
  const machine = rehearse(t, disk, "in-another", "docker_image=system:1");
  start(t, machine);
  await disk.look((top) => {
    const root = path.join(top, machine.rwlayer);
    t.strictSame(fs.readdirSync(path.join(root, "var")), []);
    fs.mkdirSync(path.join(root, "var/tmp"));
  });
});
