// runner: tier=first seconds=6
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { start, tellStatus } from "./tell-status.ts";

const disk = await makeBootDisk(t, "status");

await t.test("the root, and the former ones with their images", async (t) => {
  const machine = rehearse(t, disk, "told");
  start(t, machine, "dockroot.generations=9");
  start(t, machine, "dockroot.generations=9 docker_image=system:2");
  start(t, machine, "dockroot.generations=9");
  const { status, text, exitStatus } = await tellStatus(t, disk, machine);
  t.equal(exitStatus, 0);
  const { root, image, subvolumeUuid, boot, steps } = machine.record();
  t.match(status, {
    ...{ version: 1, result: "fresh", boot, root, image, subvolumeUuid, steps },
    ...{ lastFailure: null, failure: null, unreadable: [] },
  });
  const subvolumes = await disk.subvolumes();
  const generations = ".dockroot/told/generations";
  t.strictSame(
    status.roots?.map(({ role, ...root }) => [
      ...[role, root.path, root.uuid, root.isRoot, root.state],
      ...[root.boot, root.image?.reference, root.size],
    ]),
    [
      ["rwlayer", "told", subvolumeUuid, true, "complete", 3, "system:1", null],
      ...[2, 1].map((number) => [
        ...["generation", `${generations}/${String(number)}`],
        ...[subvolumes[`${generations}/${String(number)}`], false, "complete"],
        ...[number, `system:${String(number)}`, null],
      ]),
    ],
  );
  t.match(text, /^ {2}\* told +3 +system:1 \([0-9a-f]{12}\)$/m);
  t.match(text, /^ {4}generation 2 +2 +system:2 \([0-9a-f]{12}\)$/m);
  t.notMatch(text, /exclusive|could not be read|WARNING|last failure/);
});

await t.test("what was not made by dockroot is told apart", async (t) => {
  const machine = rehearse(t, disk, "mixed");
  start(t, machine);
  start(t, machine);
  const strange = "\u001b[2J\nroot";
  await disk.look(async (top) => {
    const generations = `${top}/.dockroot/mixed/generations`;
    await run(["btrfs", "subvolume", "create", `${generations}/7`]);
    fs.writeFileSync(`${generations}/${strange}`, "");
  });
  const { status, text } = await tellStatus(t, disk, machine);
  t.strictSame(
    status.roots?.map((root) => [path.basename(root.path), root.state]),
    [
      ["mixed", "complete"],
      ["7", "foreign"],
      ["1", "complete"],
      [strange, "foreign"],
    ],
  );
  t.match(text, /^ {4}generation 7 +not made by dockroot$/m);
  t.match(text, /^ {4}generation \\x1b\[2J\\nroot +not made by dockroot$/m);
  t.notMatch(text, "\u001b");
});

await t.test("a fallback cannot be overlooked", async (t) => {
  const machine = rehearse(t, disk, "fallback");
  start(t, machine);
  start(t, machine, "docker_image=absent:1 dockroot.fallback=last");
  const { status, text, exitStatus } = await tellStatus(t, disk, machine);
  t.equal(exitStatus, 4);
  t.match(status, {
    result: "fallback",
    failure: { code: "IMAGE_MISSING" },
    lastFailure: { path: ".dockroot/fallback/last-failure.log", isWhole: true },
  });
  t.match(status.lastFailure?.text ?? "", /^Kernel options: .*absent:1/m);
  t.match(
    text,
    /^\*+\nWARNING: THIS IS AN EARLIER ROOT\.\n[^]*\ndockroot: the image absent:1 is not in the store docker\n(?: {2}because: .*\n)* {2}what to do: .*\n[^]*\n\*+\n/,
  );
  t.match(text, /\nlast failure, \S+:\n {2}the same as above\n/);
  t.match(text, /\nWARNING: this is an earlier root; the reason is above\.\n$/);

  start(t, machine);
  const after = await tellStatus(t, disk, machine);
  t.equal(after.status.result, "fresh");
  t.match(
    after.text,
    /\nlast failure, \S+:\n {2}dockroot: the image absent:1 is not in the store docker\n[^]*\n {2}After boot 1, /,
    "it is remembered",
  );
});

await t.test("a boot that failed, and the one after it", async (t) => {
  const machine = rehearse(t, disk, "failed");
  t.equal(machine.boot("docker_image=absent:1").status, 1);
  const { status, text, exitStatus } = await tellStatus(t, disk, machine);
  t.equal(exitStatus, 1, "dockroot did not boot it");
  t.match(status, { result: "failed", root: null, roots: null });
  t.match(text, /^\*+\nWARNING: DOCKROOT DID NOT BOOT THIS SYSTEM\.\n/);
  t.match(text, /\ndockroot: the image absent:1 is not in the store docker\n/);
  start(t, machine);
  const after = await tellStatus(t, disk, machine);
  t.equal(after.exitStatus, 0);
  t.match(after.status, { result: "fresh", boot: 1 });
  t.match(after.status.lastFailure?.text ?? "", /^Nothing was booted\.$/m);
});

await t.test("a generation that is booted as it is", async (t) => {
  const machine = rehearse(t, disk, "again");
  start(t, machine);
  start(t, machine, "docker_image=system:2");
  const generation = ".dockroot/again/generations/1";
  const uuid = (await disk.subvolumes())[generation];
  start(t, machine, `rootflags=subvol=${generation}`);
  const { status, text } = await tellStatus(t, disk, machine);
  t.match(status, {
    ...{ result: "generation", root: generation, rwlayer: "again" },
    ...{ boot: 1, subvolumeUuid: uuid },
  });
  t.match(text, /^generation +1$/m);
  t.match(text, /^ {4}again +2 +system:2 /m);
  t.match(text, /^ {2}\* generation 1 +1 +system:1 /m);
});

await t.test("whoever is not root is told what is missing", async (t) => {
  const machine = rehearse(t, disk, "user");
  start(t, machine);
  // Nobody may enter the tests' own directories.
  const place = fs.mkdtempSync(path.join(tmpdir(), "dockroot-status-"));
  t.teardown(
    undoLater(() => fs.promises.rm(place, { recursive: true, force: true })),
  );
  fs.chmodSync(place, 0o755);
  fs.copyFileSync(executable, `${place}/dockroot`);
  await run(["cp", "-a", machine.runDirectory, `${place}/run`]);
  const asNobody = (...args: string[]) =>
    spawnSync(`${place}/dockroot`, ["status", ...args], {
      ...{ cwd: "/", env: {}, uid: 65534, gid: 65534, encoding: "utf8" },
    });
  const { status, stdout, stderr } = asNobody("--run-dir", `${place}/run`);
  t.equal(status, 0, stderr);
  t.match(stdout, /^image +system:1$/m);
  t.match(
    stdout,
    /\ncould not be read:\n {2}roots on the disk, sizes, deployments, what boots next, last failure: that needs root\n {4}what to do: sudo dockroot status\n$/,
  );
  fs.chmodSync(`${place}/run`, 0o700);
  const closed = asNobody("--run-dir", `${place}/run`);
  t.equal(closed.status, 1);
  t.match(
    closed.stderr,
    /^dockroot: not everybody may read .*boot\.json\n {2}what to do: /,
  );
});

await t.test("sizes, where quotas are on", async (t) => {
  const machine = rehearse(t, disk, "sized");
  start(t, machine);
  const bytes = 3_000_000;
  await disk.look(async (top) => {
    fs.writeFileSync(`${top}/sized/own`, Buffer.alloc(bytes, "own"));
    await run(["btrfs", "quota", "enable", top]);
    await run(["btrfs", "quota", "rescan", "-w", top]);
  });
  const { status, text } = await tellStatus(t, disk, machine);
  const size = status.roots?.[0]?.size;
  t.ok((size?.exclusiveBytes ?? 0) >= bytes, JSON.stringify(size));
  t.ok((size?.exclusiveBytes ?? 0) < 2 * bytes, JSON.stringify(size));
  t.ok((size?.referencedBytes ?? 0) > (size?.exclusiveBytes ?? 0));
  t.strictSame(status.unreadable, []);
  t.match(text, /^ +boot +image +exclusive$/m);
  t.match(text, /^ {2}\* sized +1 +system:1 \(\w+\) +3\.\d MB$/m);
});

await t.test("sizes that btrfs has lost count of are not shown", async (t) => {
  const machine = rehearse(t, disk, "uncounted");
  start(t, machine);
  await disk.look(async (top) => {
    await run(["btrfs", "quota", "enable", top]);
    await run(["btrfs", "quota", "rescan", "-w", top]);
  });
  // btrfs-progs writes, and counts nothing.
  await run(["btrfs", "filesystem", "label", disk.device, disk.label]);
  const { status, text } = await tellStatus(t, disk, machine);
  t.equal(status.roots?.[0]?.size, null);
  t.match(status.unreadable, [{ what: "sizes", why: /lost count/ }]);
  t.notMatch(text, /exclusive/);
});

await t.test("bold and cut to its width on a terminal", async (t) => {
  const machine = rehearse(t, disk, "terminal");
  start(t, machine);
  const show = (environment: string) =>
    run([
      ...["script", "--quiet", "--return", "--command"],
      // Nothing else of the environment: Node takes CI for a terminal without colours.
      `stty cols 60; exec env -i ${environment} ${executable} status --run-dir ${machine.runDirectory}`,
      "/dev/null",
    ]);
  const coloured = await show("TERM=linux");
  t.match(coloured, "\u001b[1mtime per step:\u001b[22m");
  const lines = (await show("TERM=linux NO_COLOR=1")).split(/\r?\n/);
  t.ok(lines.includes("time per step:"));
  const steps = lines.filter((line) => / ms {2}/.test(line));
  t.ok(steps.length > 5);
  t.ok(
    steps.every((line) => line.length <= 60),
    steps.join("\n"),
  );
});
