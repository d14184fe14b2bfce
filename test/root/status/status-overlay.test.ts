// runner: tier=first seconds=6
import fs from "node:fs";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { start, tellStatus } from "./tell-status.ts";

const disk = await makeBootDisk(t, "status-overlay", undefined, "ext4");
const WRITTEN_BYTES = 3 * 1024 ** 2;

await t.test("what each root has written, and the layers", async (t) => {
  const machine = rehearse(t, disk, "told");
  start(t, machine);
  await disk.look((top) => {
    fs.writeFileSync(`${top}/told/upper/big`, Buffer.alloc(WRITTEN_BYTES, 1));
  });
  start(t, machine, "docker_image=system:2");
  const { status, text } = await tellStatus(t, disk, machine);
  const { subvolumeUuid, layers } = machine.record();
  t.match(status, {
    ...{ result: "fresh", isOverlay: true, layers, unreadable: [] },
    heldLayers: { count: layers?.length },
    roots: [
      { role: "rwlayer", uuid: subvolumeUuid, isRoot: true, state: "complete" },
      {
        ...{ role: "generation", isRoot: false, state: "complete", boot: 1 },
        image: { reference: "system:1" },
      },
    ],
  });
  const [now, former] = (status.roots ?? []).map(({ size }) => size);
  t.ok(Number(former?.exclusiveBytes) >= WRITTEN_BYTES);
  t.ok(Number(now?.exclusiveBytes) < WRITTEN_BYTES);
  t.match(text, /held, .* shared with the engine until it prunes them/);
});

await t.test("a disk that the running system writes to", async (t) => {
  const machine = rehearse(t, disk, "running");
  start(t, machine);
  await disk.look(async () => {
    const { status } = await tellStatus(t, disk, machine);
    t.strictSame(status.unreadable, []);
    t.equal(status.roots?.length, 1);
  });
  await run(["e2fsck", "-fn", disk.file]);
});

await t.test("a root that was in memory", async (t) => {
  const machine = rehearse(t, disk, "volatile");
  start(t, machine, "dockroot.upper=tmpfs");
  const { status } = await tellStatus(t, disk, machine);
  t.strictSame(status.unreadable, []);
  t.strictSame(status.roots, []);
});

await t.test("another disk than the one that booted", async (t) => {
  const machine = rehearse(t, disk, "gone");
  start(t, machine);
  await disk.look((top) => {
    fs.rmSync(`${top}/gone`, { recursive: true });
    fs.rmSync(`${top}/.dockroot/layers`, { recursive: true });
  });
  const { text } = await tellStatus(t, disk, machine);
  t.match(text, /does not hold the root that booted/);
});
