// runner: tier=first seconds=15 whole=49
import fs from "fs-extra";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { stopIfInterrupted, undoLater } from "../../fixtures/undo.ts";
import { compareListings, listTree } from "../../fixtures/tree-listing.ts";
import { runDockroot, type Outcome } from "../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../root/boot-disk.ts";
import { withTimes } from "../root/failures.ts";
import { createSampler } from "./campaign.ts";
import { findRawControl, judgeOutcome } from "./raw-controls.ts";
import { createTally } from "./tally.ts";

// Gives everything that has a name a hostile one. Each time dockroot works, or says clearly why not;
// what it prints never writes on a terminal, and nothing outside of the disk is touched. In the first
// tier each place gets some of the names.

const NAMES: Readonly<Record<string, string>> = {
  "a space": "a b",
  "spaces at its ends": " a ",
  "a newline": "a\nb",
  "a tab": "a\tb",
  "a carriage return": "a\rb",
  "a bell": "a\u0007b",
  "a title for the terminal": "\u001b]0;owned\u0007",
  "what clears the screen": "\u001b[2J",
  "what clears it by C1": "\u009b2J",
  "a string of C1": "\u0090x\u009c",
  "a combining accent": "e\u0301",
  "Zalgo's": `z${"\u0335\u0352".repeat(20)}`,
  "a bidirectional override": "txt.\u202egpj",
  "an isolate": "\u2067a\u2069",
  "wide characters": "日本語",
  "an ideographic space": "a\u3000b",
  "a line separator": "a\u2028b",
  "an emoji": "🐳",
  "a leading dash": "-rf",
  "a flag": "--help",
  "three dots": "...",
  "a leading dot": ".hidden",
  "a percent sign": "%2F..%2f",
  "a shell's": "$(reboot);`reboot`&*?~'",
  "a backslash": "a\\040b\\",
  "an equals sign": "a=b",
  "a comma": "a,b",
  "255 bytes": "n".repeat(255),
  "forged lines":
    "x\n\tName: \t\t\tx\n\tUUID: \t\t\t00000000-0000-0000-0000-000000000000\n\tx",
};
/** No text has such bytes. */
const INVALID = Buffer.from([0x61, 0xff, 0xfe, 0x62]);

/** No path of an option has such a character; with every other name of these the machine must boot. */
const REFUSED: ReadonlySet<string> = new Set([
  ...["a newline", "a tab", "a carriage return", "a bell", "forged lines"],
  ...["a title for the terminal", "what clears the screen"],
]);
/** Where a flag ends. */
const REFUSED_RWLAYERS: ReadonlySet<string> = new Set([...REFUSED, "a comma"]);

/** So many names are tried in each place in the first tier. */
const SAMPLE = 5;

const sampler = createSampler();
const disk = await makeBootDisk(t, "hostile-names");
const machine = rehearse(t, disk, "plain");
const tally = createTally();
const device = disk.device;
const top = path.join(disk.scratch, "top");
fs.mkdirSync(top);
await run(["mount", "-o", "subvolid=5", "--", device, top]);
const around = () =>
  fs.readdirSync(disk.scratch).filter((name) => !name.startsWith("cmdline"));
const cli = around();
const rest = `root=${device} docker_path=docker docker_image=system:1 dockroot.fallback=none`;

await t.test(
  "beside the store, in errors that list what is there",
  async (t) => {
    const hold = path.join(top, "hold");
    fs.mkdirSync(hold);
    // As many as a message lists.
    for (const names of batches([...Object.values(NAMES), INVALID], 15)) {
      const inside = names.map((name) =>
        Buffer.concat([Buffer.from(`${hold}/`), Buffer.from(name)]),
      );
      for (const directory of inside) fs.mkdirSync(directory);
      await count(t, "directories listed", [
        "plain",
        `${rest} docker_path=hold`,
      ]);
      for (const directory of inside) fs.rmdirSync(directory);
      const subvolumes = names
        .filter((name) => typeof name === "string")
        .map((name) => path.join(top, `!${name}`.slice(0, 255)));
      for (const each of subvolumes) {
        await run(["btrfs", "subvolume", "create", each]);
      }
      await count(t, "subvolumes listed", [
        "plain",
        `${rest} docker_path=nowhere`,
      ]);
      await count(t, "and for the top layer", [
        "plain",
        `${rest} toplayer=${device} toplayer_path=nowhere`,
      ]);
      for (const each of subvolumes) {
        await run(["btrfs", "subvolume", "delete", each]);
      }
    }
    fs.rmdirSync(hold);
  },
);

await t.test("as the store's path", async (t) => {
  for (const [what, name] of sampleNames()) {
    fs.renameSync(path.join(top, "docker"), path.join(top, name));
    const outcome = await count(t, `docker_path= named by ${what}`, [
      "plain",
      `${rest} "docker_path=${name}"`,
    ]);
    fs.renameSync(path.join(top, name), path.join(top, "docker"));
    t.equal(outcome.status, REFUSED.has(what) ? 1 : 0, outcome.stderr);
    await count(t, `an absent docker_path= named by ${what}`, [
      "plain",
      `${rest} "docker_path=${name}"`,
    ]);
  }
});

await t.test("as the rwlayer", async (t) => {
  for (const [what, name] of sampleNames()) {
    const flags = `${rest} "rootflags=subvol=${name}"`;
    const before = await disk.subvolumes();
    const expected = REFUSED_RWLAYERS.has(what) ? 1 : 0;
    const first = start(flags);
    const made = first.status === 0;
    const record = made ? machine.record() : undefined;
    machine.finish();
    const second = start(flags);
    const printed = readRun();
    machine.finish();
    const after = await disk.subvolumes();
    const uuids = new Set(Object.values(after));
    const lost = Object.values(before).filter((uuid) => !uuids.has(uuid));
    tally.count(
      t,
      `the rwlayer named by ${what}`,
      judgeOutcome(first, expected) ??
        judgeOutcome(second, expected) ??
        findRawControl(printed) ??
        (lost.length > 0 ? "a subvolume is gone" : undefined) ??
        (made && !uuids.has(record?.subvolumeUuid ?? "")
          ? `no subvolume has its UUID: ${String(record?.subvolumeUuid)}`
          : undefined) ??
        (made && fs.statSync(path.join(top, record?.rwlayer ?? "")).ino !== 256
          ? "is not in its place"
          : undefined) ??
        (made && record?.rwlayer !== name
          ? `is ${String(record?.rwlayer)}`
          : undefined),
    );
  }
});

await t.test("in and of the top layer", async (t) => {
  for (const [what, name] of sampleNames()) {
    const layer = path.join(top, name);
    fs.mkdirpSync(path.join(layer, "deep/er"));
    for (const inside of Object.values(NAMES)) {
      fs.writeFileSync(path.join(layer, inside), inside);
      fs.writeFileSync(path.join(layer, "deep/er", inside), inside);
    }
    fs.writeFileSync(
      Buffer.concat([Buffer.from(`${layer}/deep/`), INVALID]),
      "",
    );
    const outcome = start(
      `${rest} rootflags=subvol=merged toplayer=${device} "toplayer_path=${name}"`,
    );
    const printed = readRun();
    machine.finish();
    const expected = listTree(layer);
    const merged =
      outcome.status === 0 ? listTree(path.join(top, "merged")) : {};
    const missing = Object.entries(expected).find(
      ([file, { sha256 }]) =>
        sha256 !== undefined && merged[file]?.sha256 !== sha256,
    );
    tally.count(
      t,
      `toplayer_path= named by ${what}`,
      judgeOutcome(outcome, REFUSED.has(what) ? 1 : 0) ??
        findRawControl(printed) ??
        (outcome.status === 0 && missing !== undefined
          ? `not copied: ${JSON.stringify(missing[0])}`
          : undefined),
    );
    fs.removeSync(layer);
  }
  const layer = path.join(top, "layer");
  fs.mkdirSync(layer);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${layer}/`), INVALID]), "");
  await count(t, "bytes in the top layer", [
    "merged",
    `${rest} toplayer=${device} toplayer_path=layer`,
  ]);
});

await t.test("as tags", async (t) => {
  const file = path.join(top, "docker/image/btrfs/repositories.json");
  const whole = fs.readFileSync(file);
  const id = disk.ids["bare:1"];
  for (const names of batches(Object.values(NAMES), 9)) {
    const entries = (of: (name: string) => [string, unknown]) =>
      Object.fromEntries(names.map(of));
    for (const repositories of [
      entries((name) => [name, { [`${name}:1`]: id }]),
      { system: entries((name) => [`system:${name}`, id]) },
    ]) {
      fs.writeJsonSync(file, { Repositories: repositories });
      await count(t, "tags listed", ["plain", rest]);
    }
  }
  for (const [what, name] of sampleNames()) {
    fs.writeJsonSync(file, { Repositories: { [name]: { [name]: name } } });
    await count(t, `a damaged tag named by ${what}`, ["plain", rest]);
    fs.writeFileSync(file, whole);
    await count(t, `an image named by ${what}`, [
      "plain",
      `${rest} "docker_image=${name}"`,
    ]);
    await count(t, `docker_tag= named by ${what}`, [
      "plain",
      `${rest} "docker_tag=${name}"`,
    ]);
  }
});

await t.test("as the label of a filesystem, and as a device", async (t) => {
  for (const [what, name] of sampleNames()) {
    const link = `/dev/${disk.label}${name}`.slice(0, 260);
    const removeLink = undoLater(() => fs.remove(link));
    try {
      fs.symlinkSync(path.basename(device), link);
      const outcome = await count(t, `a device named by ${what}`, [
        "plain",
        `${rest} "root=${link}"`,
      ]);
      t.equal(outcome.status, 0, `${what}: ${outcome.stderr}`);
    } finally {
      await removeLink();
    }
    await count(t, `no device named by ${what}`, [
      "plain",
      `${rest} "root=${link}" rootdelay=0`,
    ]);
    const label = `${disk.label}${name}`.slice(0, 200);
    // btrfs takes no newline in a label.
    if (label.includes("\n")) continue;
    await run(["btrfs", "filesystem", "label", top, label]);
    await count(t, `in the list of what is there, by ${what}`, [
      "plain",
      `${rest} "root=LABEL=${label}x" rootdelay=0`,
    ]);
    // blkid takes the spaces at a label's end away.
    const expected = label.endsWith(" ") ? 1 : 0;
    const booted = start(
      `rootflags=subvol=plain ${rest} "root=LABEL=${label}" rootdelay=0`,
    );
    const finished = machine.finish();
    tally.count(
      t,
      `booted from a label with ${what}`,
      judgeOutcome(booted, expected) ??
        findRawControl(readRun()) ??
        judgeOutcome(finished, expected),
    );
  }
  await run(["btrfs", "filesystem", "label", top, disk.label]);
});

await t.test("paths that leave, or are as long as paths can be", async (t) => {
  const long = Array.from({ length: 15 }, () => "n".repeat(255)).join("/");
  for (const value of [
    ...["..", "a/../../x", "/", long, `${long}/${long}`, "n/".repeat(20_000)],
  ]) {
    for (const option of [
      `"rootflags=subvol=${value}"`,
      `"docker_path=${value}"`,
      `toplayer=${device} "toplayer_path=${value}"`,
      `"root=/dev/${value}" rootdelay=0`,
      `"init=${value}"`,
    ]) {
      const outcome = await count(t, `${option.slice(0, 60)}`, [
        "plain",
        `${rest} ${option}`,
      ]);
      if (/\.\./.test(value) && !option.includes("init=")) {
        t.equal(outcome.status, 1, option);
      }
    }
  }
  // A link whose target is as long as it may be.
  fs.symlinkSync("m/".repeat(2047), path.join(top, "long-link"));
  await count(t, "a long link", ["plain", `${rest} docker_path=long-link`]);
});

await t.test("as arguments", async (t) => {
  for (const [what, name] of sampleNames()) {
    await turn();
    for (const args of [
      [name],
      ["boot", `--${name}`],
      ["boot", "--dry-run", "--cmdline", `/nowhere/${name}`],
    ]) {
      const { stdout, stderr } = runDockroot(...args);
      tally.count(
        t,
        `${args.slice(0, 3).join(" ")} with ${what}`,
        findRawControl(stdout) ?? findRawControl(stderr),
      );
    }
  }
});

await t.test("nothing around the disk has changed", async (t) => {
  t.strictSame(around(), cli);
  tally.record(t, "hostile names", ...sampler.notes());
});

function sampleNames(): readonly [what: string, name: string][] {
  return sampler.take(Object.entries(NAMES), SAMPLE);
}

/** Plans a boot, for people and for programs, and counts how that ends. */
async function count(
  t: Test,
  fault: string,
  [rwlayer, cmdline]: readonly [string, string],
): Promise<Outcome> {
  // Signals are heard between the boots.
  await turn();
  const before = listTree(top, withTimes);
  const options = `rootflags=subvol=${rwlayer} ${cmdline}`;
  const outcome = start(options, "--dry-run");
  // A failure is told in the same words with --json.
  const json =
    outcome.status === 0 ? start(options, "--dry-run", "--json") : outcome;
  const after = listTree(top, withTimes);
  const [changed] = compareListings(after, before);
  tally.count(
    t,
    fault,
    judgeOutcome(outcome) ??
      judgeOutcome(json) ??
      (json.status === outcome.status ? undefined : "--json ends otherwise") ??
      changed,
  );
  if (json.status === 0)
    t.doesNotThrow(() => JSON.parse(json.stdout) as unknown);
  return outcome;
}

/** A command line of its own: of `rehearse`'s, the label changes here. */
function start(cmdline: string, ...flags: string[]): Outcome {
  stopIfInterrupted();
  const file = path.join(disk.scratch, "cmdline");
  const config = path.join(machine.runDirectory, "../config.json");
  fs.writeFileSync(file, `${cmdline}\n`);
  return runDockroot(
    ...["boot", "--cmdline", file, "--config", config],
    ...["--run-dir", machine.runDirectory, ...flags],
  );
}

/** What a boot left for others to read. */
function readRun(): string {
  return ["boot.log", "boot.json"]
    .map((name) => path.join(machine.runDirectory, name))
    .filter((file) => fs.existsSync(file))
    .map((file) => fs.readFileSync(file, "utf8"))
    .join("");
}

function batches<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}
