// runner: tier=first seconds=8
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import type { RwlayerState } from "../../../runtime/records/rwlayer-state.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const disk = await makeBootDisk(t, "adopt");
const OWN_RECORD = ".dockroot-root.json";

await t.test("a root that was restored by btrfs receive boots", async (t) => {
  const machine = rehearse(t, disk, "restored", "docker_image=system:1");
  await startAndWrite(t, machine, "one");
  await startAndWrite(t, machine, "two");
  await disk.look(async (top) => {
    await restore(top, "restored");
    await restore(top, ".dockroot/restored/generations/1");
  });
  const { restored: copy } = await disk.subvolumes();

  t.equal(machine.boot("docker_image=gone:1 dockroot.fallback=last").status, 0);
  t.match(machine.record(), { result: "fallback", subvolumeUuid: copy });
  t.match(machine.record().warnings, [
    /state\.json does not list the subvolume restored, but its own record/,
  ]);
  t.equal(machine.finish().status, 0);

  t.comment("a new root pushes none of them out");
  for (let starts = 0; starts < 3; starts += 1) startWell(t, machine);
  t.strictSame(await written(machine), {
    "1": "one",
    "2": "two",
    "4": undefined,
  });
});

await t.test("a root whose record was lost boots, and is ours", async (t) => {
  const machine = rehearse(t, disk, "lost", "docker_image=system:1");
  await startAndWrite(t, machine, "one");
  await disk.look((top) => {
    const file = `${top}/.dockroot/lost/state.json`;
    const state = JSON.parse(fs.readFileSync(file, "utf8")) as RwlayerState;
    fs.writeFileSync(file, JSON.stringify({ ...state, subvolumes: [] }));
  });
  startWell(t, machine);
  t.strictSame(await written(machine), { "1": "one" });
  startWell(t, machine, "dockroot.generations=0");
  t.strictSame(await written(machine), {}, "and is removed as ours");
});

await t.test(
  "what a root says of itself must be root's own word",
  async (t) => {
    const machine = rehearse(t, disk, "forged", "docker_image=system:1");
    startWell(t, machine);
    const [genuine, state] = await disk.look((top) => [
      fs.readFileSync(`${top}/forged/${OWN_RECORD}`, "utf8"),
      fs.readFileSync(`${top}/.dockroot/forged/state.json`, "utf8"),
    ]);
    for (const [what, forge] of Object.entries<(file: string) => void>({
      "another user's": (file) => {
        fs.chownSync(file, 1000, 0);
      },
      "writable by others": (file) => {
        fs.chmodSync(file, 0o666);
      },
      "a link": (file) => {
        fs.renameSync(file, `${file}.target`);
        fs.symlinkSync(path.basename(`${file}.target`), file);
      },
      "of another rwlayer": (file) => {
        fs.writeFileSync(file, genuine.replace("forged", "other"));
      },
      "of a root in the making": (file) => {
        const text = genuine.replace('"complete": true', '"complete": false');
        t.not(text, genuine);
        fs.writeFileSync(file, text);
      },
      "cut off": (file) => {
        fs.truncateSync(file, 100);
      },
      huge: (file) => {
        fs.truncateSync(file, 2 ** 40);
      },
      "a directory": (file) => {
        fs.rmSync(file);
        fs.mkdirSync(file);
      },
    })) {
      const file = await disk.look((top) => {
        const file = `${top}/forged/${OWN_RECORD}`;
        for (const name of [file, `${file}.target`]) {
          fs.rmSync(name, { recursive: true, force: true });
        }
        fs.writeFileSync(file, genuine, { mode: 0o600 });
        fs.rmSync(`${top}/.dockroot/forged/state.json`, { force: true });
        forge(file);
        return file;
      });
      const { status, stderr } = machine.boot();
      t.equal(status, 1, what);
      t.match(stderr, /the subvolume forged was not made by dockroot/, file);
    }
    await disk.look((top) => {
      fs.writeFileSync(`${top}/.dockroot/forged/state.json`, state);
    });
    startWell(t, machine);
  },
);

await t.test("an image's own record is not taken for the root's", async (t) => {
  const machine = rehearse(t, disk, "image", "docker_image=system:1");
  startWell(t, machine);
  const { subvolumeUuid } = machine.record();
  const record = await disk.look(
    (top) =>
      JSON.parse(
        fs.readFileSync(`${top}/image/${OWN_RECORD}`, "utf8"),
      ) as RwlayerState,
  );
  t.match(record, {
    ...{ version: 2, rwlayer: "image" },
    subvolumes: [{ uuid: subvolumeUuid, complete: true, boot: 1 }],
  });
});

function startWell(t: Test, machine: Rehearsal, options = ""): void {
  for (const { status, stderr } of [machine.boot(options), machine.finish()]) {
    t.equal(status, 0, stderr);
  }
}

async function startAndWrite(
  t: Test,
  machine: Rehearsal,
  text: string,
): Promise<void> {
  startWell(t, machine);
  await disk.look((top) => {
    fs.writeFileSync(`${top}/${machine.rwlayer}/written`, text);
  });
}

/** What was written in each generation. */
function written({
  rwlayer,
}: Rehearsal): Promise<Record<string, string | undefined>> {
  return disk.look((top) => {
    const generations = `${top}/.dockroot/${rwlayer}/generations`;
    return Object.fromEntries(
      fs.readdirSync(generations).map((name) => {
        const file = `${generations}/${name}/written`;
        return [
          name,
          fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined,
        ];
      }),
    );
  });
}

/** Replaces a subvolume by what btrfs makes of its stream: the same files under another UUID. */
async function restore(top: string, file: string): Promise<void> {
  const name = path.basename(file);
  const sent = `${top}/sent/${name}`;
  fs.mkdirSync(`${top}/received`, { recursive: true });
  fs.mkdirSync(`${top}/sent`, { recursive: true });
  await run(["btrfs", "subvolume", "snapshot", "-r", `${top}/${file}`, sent]);
  const pipe = spawn("sh", [
    ...["-ec", 'btrfs send "$1" | btrfs receive "$2"', "sh"],
    ...[sent, `${top}/received`],
  ]);
  const [status] = (await once(pipe, "exit")) as [number | null];
  if (status !== 0) throw new Error(`cannot send ${file}`);
  await run(["btrfs", "subvolume", "delete", `${top}/${file}`]);
  const received = `${top}/received/${name}`;
  await run(["btrfs", "property", "set", "-f", "-ts", received, "ro", "false"]);
  fs.renameSync(received, `${top}/${file}`);
}
