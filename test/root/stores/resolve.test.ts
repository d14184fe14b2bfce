// runner: tier=first seconds=3
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { undoLater } from "../../../fixtures/undo.ts";
import type { ResolvedImage } from "../../../installer/system/resolve-image.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk } from "../boot-disk.ts";
import { runInSystem } from "../private-system.ts";
import { conforms } from "../../conforms.ts";

const disk = await makeBootDisk(t, "resolve");
const resolve = (...args: string[]) =>
  runInSystem(
    path.join(disk.scratch, "system"),
    { etc: {}, store: ["-o", "ro,subvol=docker", `LABEL=${disk.label}`] },
    ...["resolve", ...args],
  );

await t.test("an image's ID, layers and directory, no engine running", (t) => {
  const { status, stdout, stderr } = resolve("system:2", "--json");
  t.equal(status, 0, stderr);
  const image = JSON.parse(stdout) as ResolvedImage;
  conforms(t, "resolve", image);
  const { id, layers, directory } = image;
  t.equal(id, disk.ids["system:2"]);
  t.equal(layers.length, 2);
  t.equal(
    directory,
    `/var/lib/docker/btrfs/subvolumes/${layers[1]?.cacheId ?? ""}`,
  );
  const text = resolve("system:2").stdout;
  t.match(text, `\nID         ${id}\n`);
  t.match(text, `\ndirectory  ${directory}\n`);
  t.match(text, /\nlayers {5}2, [\d.]+ [kM]B\n/);
  t.equal(
    text.split("\n").filter((line) => /^ +[\d.]+ [kM]?B /.test(line)).length,
    2,
  );
  for (const text of [id.slice(7, 19), id.slice(0, 19), id.slice(7), id]) {
    const { stdout, stderr } = resolve(text);
    t.match(stdout, `\nID         ${id}\n`, `${text}: ${stderr}`);
    const printed = /^image +(\S+)$/m.exec(stdout)?.[1] ?? "";
    t.match(resolve(printed).stdout, `\nID         ${id}\n`, printed);
  }
  t.end();
});

await t.test("an image that is not there", (t) => {
  const { status, stdout, stderr } = resolve("sytem:2");
  t.equal(status, 1);
  t.equal(stdout, "");
  t.match(stderr, /because: .*the nearest names are: system:2, [^ ]+, [^ ]+\n/);
  t.end();
});

await t.test("a damaged store, for who sits at a running system", async (t) => {
  const name = "docker/image/btrfs/repositories.json";
  const change = (from: string, to: string) =>
    disk.look((top) => {
      fs.renameSync(`${top}/${from}`, `${top}/${to}`);
    });
  await change(name, `${name}.kept`);
  await disk.look((top) => {
    fs.writeFileSync(`${top}/${name}`, "{");
  });
  t.match(resolve("system:2"), {
    status: 1,
    stderr:
      /^dockroot: cannot find the image system:2 in \/.*\n {2}because: the image store is damaged at \/.*\n[^]*what to do: Look at the store with its engine/,
  });
  await change(`${name}.kept`, name);
});

await t.test("a tree that is not there", async (t) => {
  const { stdout } = resolve("bare:1", "--json");
  const { directory } = JSON.parse(stdout) as ResolvedImage;
  const tree = directory?.replace(/^\/var\/lib\//, "");
  await disk.look((top) => {
    fs.renameSync(`${top}/${tree}`, `${top}/elsewhere`);
  });
  t.match(resolve("bare:1"), {
    status: 1,
    stderr:
      /^dockroot: the image sha256:\w+ has its leaf layer at .*, but there is no subvolume\n/,
  });
});

await t.test("whoever is not root is told so", async (t) => {
  // Nobody may enter the tests' own directories.
  const place = fs.mkdtempSync(path.join(tmpdir(), "dockroot-resolve-"));
  t.teardown(
    undoLater(() => fs.promises.rm(place, { recursive: true, force: true })),
  );
  fs.chmodSync(place, 0o755);
  fs.copyFileSync(executable, `${place}/dockroot`);
  fs.mkdirSync(`${place}/store/image`, { recursive: true, mode: 0o700 });
  const { status, stderr } = spawnSync(
    `${place}/dockroot`,
    ["resolve", "system:1", "--docker", `${place}/store`],
    { cwd: "/", env: {}, uid: 65534, gid: 65534, encoding: "utf8" },
  );
  t.equal(status, 1);
  t.equal(
    stderr.replaceAll(place, "PLACE").replace(/ {2}because: .*\n/g, ""),
    "dockroot: only root may read PLACE/store\n  what to do: Run it with sudo.\n",
  );
});

await t.test("a store of which a part is a subvolume of its own", async (t) => {
  const runFor = (program: string, ...args: string[]) =>
    t.equal(spawnSync(program, args).status, 0, `${program} ${args.join(" ")}`);
  await disk.look((top) => {
    runFor("btrfs", "subvolume", "create", `${top}/docker_btrfs`);
    fs.mkdirSync(`${top}/docker_btrfs/subvolumes`);
    const layers = `${top}/docker/btrfs/subvolumes`;
    for (const name of fs.readdirSync(layers)) {
      fs.renameSync(
        `${layers}/${name}`,
        `${top}/docker_btrfs/subvolumes/${name}`,
      );
    }
    fs.rmdirSync(layers);
  });
  const cmdline = path.join(disk.scratch, "split-cmdline");
  fs.writeFileSync(
    cmdline,
    `root=LABEL=${disk.label} rootflags=subvol=docker_rwlayer docker_path=docker docker_image=system:2`,
  );
  const store = ["-o", "subvol=docker", `LABEL=${disk.label}`];
  const system = (
    mounts: readonly (readonly string[])[],
    ...args: readonly string[]
  ) =>
    runInSystem(
      path.join(disk.scratch, "system"),
      { etc: {}, store, mounts },
      ...args,
    );
  const plan = ["boot", "--dry-run", "--cmdline", cmdline];
  const over = [
    ...["-o", "subvol=docker_btrfs", `LABEL=${disk.label}`],
    "/var/lib/docker/btrfs",
  ];
  const move =
    /what to do: Make it part of the store, .*; rmdir \/mnt\/docker\/btrfs; mv \/mnt\/docker_btrfs \/mnt\/docker\/btrfs;/;
  const here =
    /because: in this system the subvolume docker_btrfs is mounted over it, at \/var\/lib\/docker\/btrfs\n/;
  const { status, stderr } = system([over], "resolve", "system:2");
  t.equal(status, 1);
  t.match(
    stderr,
    "the image store needs /var/lib/docker/btrfs, which the initramfs",
  );
  t.match(stderr, here);
  t.match(stderr, move);
  const planned = system([over], ...plan, "--run-dir", `${disk.scratch}/run`);
  t.equal(planned.status, 1);
  t.match(
    planned.stderr,
    ", but there is no subvolume: docker/btrfs is empty on this filesystem\n",
  );
  t.match(planned.stderr, here);
  t.match(planned.stderr, move);
  // As an initramfs is: nothing is mounted there.
  const alone = system([], ...plan, "--run-dir", `${disk.scratch}/run`);
  t.match(alone.stderr, "the subvolume docker_btrfs has what belongs there");
  t.match(alone.stderr, move);
  const checked = system([over], "doctor", "--image", "system:2");
  t.match(checked.stdout, "which the initramfs does not mount");
  t.notMatch(alone.stderr + planned.stderr + stderr, /pull/);
  // An engine's own bind mount, which makes it private, changes nothing.
  await disk.look((top) => {
    fs.rmdirSync(`${top}/docker/btrfs`);
    fs.renameSync(`${top}/docker_btrfs`, `${top}/docker/btrfs`);
  });
  const bind = ["--bind", "/var/lib/docker/btrfs", "/var/lib/docker/btrfs"];
  t.equal(system([bind], "resolve", "system:2").status, 0);
  t.equal(
    system([bind], ...plan, "--run-dir", `${disk.scratch}/run`).status,
    0,
  );
});
