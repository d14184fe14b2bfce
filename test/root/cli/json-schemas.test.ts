// runner: tier=first seconds=4
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { conforms } from "../../conforms.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";
import { runInSystem } from "../private-system.ts";
import { start, tellStatus } from "../status/tell-status.ts";

const disk = await makeBootDisk(t, "json-schemas", (tree) => {
  // What an engine leaves.
  fs.writeFileSync(`${tree}/.dockerenv`, "");
});
const TOP_LAYER = `toplayer=LABEL=${disk.label} toplayer_path=own`;
await disk.look((top) => fs.outputFile(`${top}/own/etc/motd`, "mine\n"));

const planOf = (machine: Rehearsal, options: string) => {
  const { stdout, stderr } = machine.boot(options, "--dry-run", "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as { result: string; steps?: { kind: string }[] };
};

await t.test(
  "boot --json, boot.json and status, of every result",
  async (t) => {
    const machine = rehearse(t, disk, "schemas");
    const check = async (result: string) => {
      const record = machine.record();
      t.equal(record.result, result);
      conforms(t, "boot-record", record);
      const { status } = await tellStatus(t, disk, machine);
      t.equal(status.result, result);
      conforms(t, "status", status);
    };
    const { status, stdout } = machine.boot(TOP_LAYER, "--json");
    t.equal(status, 0);
    conforms(t, "boot-record", JSON.parse(stdout));
    t.equal(machine.finish().status, 0);
    await check("fresh");
    start(t, machine, `${TOP_LAYER} dockroot.rwlayer=keep`);
    await check("kept");
    start(t, machine, "docker_image=system:2");
    start(t, machine, "docker_image=absent dockroot.fallback=last");
    await check("fallback");
    start(t, machine, "rootflags=subvol=.dockroot/schemas/generations/1");
    await check("generation");
    t.equal(machine.boot("docker_image=absent").status, 1);
    await check("failed");
  },
);

await t.test("the status with sizes", async (t) => {
  const machine = rehearse(t, disk, "sizes");
  start(t, machine);
  await disk.look(async (top) => {
    await run(["btrfs", "quota", "enable", top]);
    await run(["btrfs", "quota", "rescan", "-w", top]);
  });
  const { status } = await tellStatus(t, disk, machine);
  t.ok(status.roots?.[0]?.size);
  conforms(t, "status", status);
});

await t.test("boot --dry-run --json, of every result", (t) => {
  const machine = rehearse(t, disk, "planned");
  const first = planOf(machine, TOP_LAYER);
  conforms(t, "boot-plan", first);
  start(t, machine, TOP_LAYER);
  const second = planOf(machine, TOP_LAYER);
  conforms(t, "boot-plan", second);
  t.strictSame(
    [...new Set([first, second].flatMap(({ steps }) => steps ?? []))]
      .map(({ kind }) => kind)
      .filter((kind, index, kinds) => kinds.indexOf(kind) === index)
      .toSorted(),
    [
      ...["checkBootable", "checkPlaces", "copyTopLayer", "createDirectory"],
      ...["keepAsGeneration", "putInPlace", "recordSubvolume"],
      ...["removeLeftOvers", "snapshot", "sync"],
    ],
  );
  const kept = planOf(machine, `${TOP_LAYER} dockroot.rwlayer=keep`);
  t.equal(kept.result, "kept");
  conforms(t, "boot-plan", kept);
  start(t, machine);
  const options = "rootflags=subvol=.dockroot/planned/generations/1";
  const generation = planOf(machine, options);
  t.equal(generation.result, "generation");
  conforms(t, "boot-plan", generation);
  t.end();
});

await t.test("toplayer check --json", async (t) => {
  const layer = path.join(disk.scratch, "layer");
  await fs.outputFile(`${layer}/etc/fstab`, "LABEL=x / ext4 defaults 0 1\n");
  await fs.outputFile(`${layer}/etc/.wh.absent`, "");
  await fs.ensureSymlink("fstab", `${layer}/etc/link`);
  const { stdout } = runInSystem(
    path.join(disk.scratch, "system"),
    { etc: {}, store: ["-o", "ro,subvol=docker", `LABEL=${disk.label}`] },
    ...["toplayer", "check", layer, "--image", "system:1", "--json"],
  );
  const report = JSON.parse(stdout) as { problems: unknown[] };
  t.ok(report.problems.length > 1);
  conforms(t, "toplayer-check", report);
});

t.test("every schema is listed, and told from other output", (t) => {
  const docs = path.join(import.meta.dirname, "../../../docs");
  const listed = fs.readFileSync(`${docs}/json.md`, "utf8");
  for (const name of fs.readdirSync(`${docs}/schema`)) {
    t.match(listed, `(schema/${name})`);
  }
  t.end();
});
