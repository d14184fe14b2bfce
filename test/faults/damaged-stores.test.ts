// runner: tier=first seconds=12 whole=18
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { compareListings, listTree } from "../../fixtures/tree-listing.ts";
import {
  asFailureOf,
  describeFailure,
  formatFailure,
} from "../../runtime/base/failure.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { parseImageReference } from "../../runtime/images/image-ref.ts";
import { sha256 } from "../../runtime/base/sha256.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import { makeBootDisk, rehearse } from "../root/boot-disk.ts";
import { withTimes } from "../root/failures.ts";
import { createSampler } from "./campaign.ts";
import { makeSocket, oddFiles } from "./odd-files.ts";
import { findRawControl, judgeOutcome } from "./raw-controls.ts";
import { createTally } from "./tally.ts";

// Damages every file and directory that Docker's store is read from, in every way. Each time dockroot
// has to find the right image or to fail with an error of its own kind; never another image, never
// what is outside of the filesystem. In the first tier each place becomes some of the other things that
// it could be.

/** So many kinds of odd files are tried in each place in the first tier. */
const SAMPLE = 4;
const REFERENCE = "system:2";
const IMAGE = "image/btrfs";
/** More than a store's own files ever need; far less than the files that are refused. */
const MAX_GROWTH_KIB = 300 * 1024;

const disk = await makeBootDisk(t, "damaged-stores");
const machine = rehearse(t, disk, "damaged", `docker_image=${REFERENCE}`);
const tally = createTally();
const sampler = createSampler();
const outside = path.join(disk.scratch, "outside");
let copies = 0;

// Mounted for as long as all of it takes; what asks the store in this process cannot write.
const top = await mountUntilEnd("rw");
const readOnly = await mountUntilEnd("ro");
await makeSocket(path.join(top, "socket"));
const odd = oddFiles(path.join(top, "socket"));
const whole = find("docker", REFERENCE);
const id = whole.id.slice("sha256:".length);
const cacheId = path.basename(whole.source);
const layer = await findLayer();
const configFile = `${IMAGE}/imagedb/content/sha256/${id}`;
const files = [
  `${IMAGE}/repositories.json`,
  configFile,
  `${layer}/diff`,
  `${layer}/cache-id`,
];
const directories = [
  ...["", "image", IMAGE, `${IMAGE}/imagedb`, `${IMAGE}/imagedb/content`],
  ...[`${IMAGE}/imagedb/content/sha256`, `${IMAGE}/layerdb`],
  ...[`${IMAGE}/layerdb/sha256`, layer, "btrfs", "btrfs/subvolumes"],
  `btrfs/subvolumes/${cacheId}`,
];

await t.test("a file that is cut off anywhere", async (t) => {
  const store = await copyStore();
  for (const file of files) {
    const content = fs.readFileSync(store.at(file));
    for (let length = 0; length < content.length; length += 1) {
      fs.writeFileSync(store.at(file), content.subarray(0, length));
      // All but the line's end may be enough.
      const isWhole =
        content.subarray(0, length).toString().trimEnd() ===
        content.toString().trimEnd();
      tally.count(
        t,
        `${file} cut off at ${String(length)}`,
        look(store.name, REFERENCE, isWhole ? "may be found" : "damaged"),
      );
    }
    fs.writeFileSync(store.at(file), content);
  }
  tally.count(t, "a whole store", look(store.name, REFERENCE, "whole"));
});

await t.test("a file that says something else", async (t) => {
  const store = await copyStore();
  for (const file of files) {
    const content = fs.readFileSync(store.at(file));
    for (const [what, other] of otherContents(content.toString())) {
      fs.writeFileSync(store.at(file), other);
      tally.count(
        t,
        `${file} with ${what}`,
        look(store.name, REFERENCE, "damaged"),
      );
    }
    fs.writeFileSync(store.at(file), content);
  }
});

await t.test("a configuration whose digest is right", async (t) => {
  const store = await copyStore();
  const whole = fs.readJsonSync(store.at(configFile)) as {
    rootfs: { diff_ids: string[] };
  };
  const diffIds = whole.rootfs.diff_ids;
  const zero = `sha256:${"0".repeat(64)}`;
  const withRootfs = (rootfs: unknown) => JSON.stringify({ ...whole, rootfs });
  for (const content of [
    ...["", "null", "5", `"x"`, "[]", "{}", "[".repeat(1_000_000)],
    ...[null, 5, [], {}, "x"].map(withRootfs),
    ...[null, 5, {}, "x", [5], [null], [zero], [...diffIds, zero]].map(
      (diff_ids) => withRootfs({ diff_ids }),
    ),
    withRootfs({ diff_ids: diffIds.toReversed() }),
    withRootfs({ diff_ids: diffIds.map((diff) => diff.toUpperCase()) }),
    withRootfs({ diff_ids: diffIds.map((diff) => `${diff}\n`) }),
    withRootfs({ diff_ids: diffIds.map(() => "sha256:../../../etc") }),
    withRootfs({ diff_ids: Array.from({ length: 200_000 }, () => zero) }),
    `{"__proto__":{"rootfs":${JSON.stringify(whole.rootfs)}}}`,
    `{"rootfs":{"__proto__":{"diff_ids":${JSON.stringify(diffIds)}}}}`,
    "{}".padEnd(16 * 1024 ** 2 + 1),
  ]) {
    const hex = sha256(content);
    const file = store.at(path.join(path.dirname(configFile), hex));
    fs.writeFileSync(file, content);
    tally.count(
      t,
      `the configuration ${content.slice(0, 100)}`,
      look(store.name, hex, "damaged"),
    );
    fs.removeSync(file);
  }
  // An ID that is no configuration's, and one that is a directory.
  tally.count(t, "no such ID", look(store.name, "ab".repeat(32), "damaged"));
  fs.mkdirSync(store.at(path.join(path.dirname(configFile), "cd".repeat(32))));
  tally.count(
    t,
    "a directory with an ID",
    look(store.name, "cd".repeat(32), "damaged"),
  );
});

/** Before anything that must not be read. */
const usualMaxRssKib = process.resourceUsage().maxRSS;

for (const place of [...files, ...directories]) {
  await t.test(`/${place} is something else`, async (t) => {
    for (const [kind, make] of sampler.take(Object.entries(odd), SAMPLE)) {
      const store = await copyStore();
      await removePlace(store.at(place));
      make(store.at(place));
      const fault = `/${place} is ${kind}`;
      tally.count(t, fault, look(store.name, REFERENCE, "damaged"));
      // The other kinds end where these do: the executable has the same code.
      if (kind !== "a FIFO" && place !== files[0]) continue;
      const before = listTree(top, withTimes);
      const problem = tryExecutable(store.name, "damaged");
      const changes = compareListings(listTree(top, withTimes), before);
      tally.count(t, `dockroot where ${fault}`, problem ?? changes[0]);
    }
  });
}

await t.test("a link out of the filesystem to what is valid", async (t) => {
  for (const place of [...files, ...directories]) {
    for (const kind of ["absolute", "relative"] as const) {
      const store = await copyStore();
      const target = path.join(outside, store.name, place);
      fs.mkdirpSync(path.dirname(target));
      await run(["cp", "--archive", "--", store.at(place), target]);
      await removePlace(store.at(place));
      fs.symlinkSync(
        kind === "absolute" ? target : `${"../".repeat(40)}${target}`,
        store.at(place),
      );
      const fault = `/${place} is a link out of it (${kind})`;
      tally.count(t, fault, look(store.name, REFERENCE, "damaged"));
      tally.count(
        t,
        `dockroot where ${fault}`,
        tryExecutable(store.name, "damaged"),
      );
    }
  }
});

await t.test("a link that stays inside the filesystem", async (t) => {
  for (const place of [...files, ...directories.slice(1, -1)]) {
    const store = await copyStore();
    const moved = `${store.name}-moved`;
    fs.renameSync(store.at(place), path.join(top, moved));
    fs.symlinkSync(`/${moved}`, store.at(place));
    const fault = `/${place} is a link inside`;
    tally.count(t, fault, look(store.name, REFERENCE, "whole"));
    tally.count(
      t,
      `dockroot where ${fault}`,
      tryExecutable(store.name, "whole"),
    );
  }
});

await t.test("what was refused was not read", async (t) => {
  // The highest that this process ever had; it read every store above.
  const { maxRSS } = process.resourceUsage();
  t.ok(
    maxRSS < usualMaxRssKib + MAX_GROWTH_KIB,
    `at most ${String(maxRSS)} KiB, ${String(usualMaxRssKib)} before`,
  );
  t.comment(`at most ${String(maxRSS)} KiB, ${String(usualMaxRssKib)} before`);
});

await t.test("none of it left a trace", async (t) => {
  const traces = await disk.traces();
  t.equal(traces.length, 3, `two mounts and a loop device: ${traces.join()}`);
  tally.record(t, "damaged stores", ...sampler.notes());
});

interface StoreCopy {
  readonly name: string;
  readonly at: (file: string) => string;
}

type Expectation = "whole" | "may be found" | "damaged";

async function mountUntilEnd(flag: string): Promise<string> {
  const at = path.join(disk.scratch, flag);
  fs.mkdirpSync(at);
  await run(["mount", "-o", `${flag},subvolid=5`, "--", disk.device, at]);
  return at;
}

/** A store of its own with the metadata of the real one, and a snapshot of the layer that is looked for. */
async function copyStore(): Promise<StoreCopy> {
  copies += 1;
  const name = `copy-${String(copies)}`;
  const at = (file: string) => path.join(top, name, file);
  fs.copySync(path.join(top, "docker/image"), at("image"));
  fs.mkdirpSync(at("btrfs/subvolumes"));
  await run([
    ...["btrfs", "subvolume", "snapshot", path.join(top, whole.source)],
    at(`btrfs/subvolumes/${cacheId}`),
  ]);
  return { name, at };
}

/** Plans with the built executable, which ends within its time. @returns what is wrong with that */
function tryExecutable(
  store: string,
  expected: "whole" | "damaged",
): string | undefined {
  const outcome = machine.boot(`docker_path=${store}`, "--dry-run");
  if (outcome.status === 0 && expected === "damaged") return "is believed";
  if (outcome.status !== 0 && expected === "whole") return outcome.stderr;
  return judgeOutcome(outcome);
}

/** Asks for an image through the mount that cannot be written to. @returns what is wrong with the answer */
function look(
  store: string,
  reference: string,
  expected: Expectation,
): string | undefined {
  let found;
  try {
    found = find(store, reference);
  } catch (error) {
    const failure = asFailureOf("find the image", error);
    if (!(failure instanceof BootError)) return String(error);
    if (failure.hint === undefined) return `no hint: ${failure.message}`;
    if (expected === "whole") return `not found: ${failure.message}`;
    return findRawControl(formatFailure(describeFailure(failure)));
  }
  if (expected === "damaged") return `found ${JSON.stringify(found)}`;
  return found.id === whole.id && found.source.endsWith(cacheId)
    ? undefined
    : `found another: ${JSON.stringify(found)}`;
}

function find(store: string, reference: string) {
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: readOnly, path: store };
  return openStore(location).findRoot(parseImageReference(reference));
}

/** The directory of the leaf layer's metadata, relative to the store. */
async function findLayer(): Promise<string> {
  const found = await run([
    ...["grep", "--recursive", "--files-with-matches", "--include=cache-id"],
    ...[cacheId, path.join(top, "docker", IMAGE)],
  ]);
  return path.dirname(found.split("/docker/")[1] ?? "");
}

/** Contents that are not the right ones, whatever the file. */
function otherContents(text: string): [string, string | Buffer][] {
  const shared = `{"Repositories":{"system":{"system:2":"sha256:${id}"}}}`;
  const json: [string, string][] = [
    ...["", " ", "null", "true", "5", `"x"`, "[]", "{}", "{", "\uFEFF"],
    ...["[null]", `{"Repositories":null}`, `{"Repositories":[]}`],
    ...[`{"Repositories":{}}`, `{"Repositories":{"system":null}}`],
    `{"Repositories":{"system":{"system:2":5}}}`,
    `{"Repositories":{"system":{"system:2":"sha256:${"../".repeat(21)}x"}}}`,
    `{"Repositories":{"system":{"system:2":"sha512:${id}"}}}`,
    `{"Repositories":{"system":{"system:2":"sha256:${id}\\n"}}}`,
    `{"Repositories":{"system":{"system:2":"sha256:${id.toUpperCase()}"}}}`,
    `{"__proto__":${shared}}`,
    shared.replace(`"system":`, `"__proto__":`),
    shared.replace(`"system:2":`, `"__proto__":`),
    shared.replace("Repositories", "constructor"),
    `${shared}x`,
    shared.replaceAll("system:2", "\\u001b]0;x\\u0007"),
  ].map((content) => [content.slice(0, 80), content]);
  return [
    ...json,
    ["a million brackets", "[".repeat(1_000_000)],
    ["a million objects", `{"Repositories":`.repeat(1_000_000)],
    ["deep nesting", `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`],
    ["its text in capitals", text.toUpperCase()],
    ["NULs in its place", Buffer.alloc(text.length)],
    ["a NUL before it", `\0${text}`],
    ["no UTF-8", Buffer.alloc(text.length, 0xff)],
    ["UTF-16", Buffer.from(text, "utf16le")],
    ["another digest", `sha256:${"0".repeat(64)}`],
    ["another path", `../../${cacheId}`],
    ["an absolute path", `/${cacheId}`],
    ["the store itself", "."],
    ["escape sequences", "\u001b[2J\u009b2J\u202e"],
    ["33 MiB", " ".repeat(33 * 1024 ** 2)],
  ];
}

async function removePlace(place: string): Promise<void> {
  const subvolumes = path.dirname(place).endsWith("btrfs/subvolumes")
    ? [place]
    : [place, `${place}/subvolumes`, `${place}/btrfs/subvolumes`]
        .map((directory) => path.join(directory, cacheId))
        .filter((directory) => fs.existsSync(directory));
  for (const subvolume of subvolumes) {
    await run(["btrfs", "subvolume", "delete", subvolume]);
  }
  fs.removeSync(place);
}
