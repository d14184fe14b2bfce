// runner: tier=first seconds=41 needs=engines
import path from "node:path";
import t, { type Test } from "tap";
import { findEngineRoots } from "../../../fixtures/cached-debian.ts";
import type { PodmanEngine } from "../../../fixtures/podman-engine.ts";
import {
  makePodmanImages,
  podmanIdOf,
} from "../../../fixtures/podman-images.ts";
import { run } from "../../../fixtures/run.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { leafOf } from "../../leaf-of.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { makePodmanBench, type PodmanBench } from "./podman-bench.ts";
import { makeStoreDisk } from "../store-disk.ts";

const disk = await makeStoreDisk(t, "podman");
const { scratch, top } = disk;
const registry = await disk.startRegistry();
const roots = await findEngineRoots();
const table: string[] = [];

const suites = ["this system", "trixie", "forky"] as const;
// Each waits for the disk most of the time.
t.jobs = suites.length;
await Promise.all(
  suites.map((suite) =>
    t.test(`podman of ${suite}`, { buffered: true }, (t) =>
      testEngine(t, suite),
    ),
  ),
);
t.comment("engine  version  driver  references  wrong");
for (const row of table.toSorted()) t.comment(row);

async function testEngine(
  t: Test,
  suite: (typeof suites)[number],
): Promise<void> {
  const engineRoot = suite === "this system" ? undefined : roots[suite];
  const make = (name: string, storageDriver = "btrfs") =>
    makePodmanBench({
      disk: top,
      scratch,
      store: `${suite.replace(" ", "-")}-${name}`,
      storageDriver,
      engineRoot,
    });
  const first = await make("first");
  const made = await makePodmanImages(first.engine);
  await t.test("what podman made is found", (t) => testNames(t, first, made));
  await t.test("its layers are those that podman says", (t) =>
    testLayers(t, first),
  );
  await t.test("what is not sure is refused", (t) =>
    testRefusals(t, first, made),
  );
  await t.test("what podman does not find is not found", (t) =>
    testMissing(t, first),
  );
  const second = await make("second");
  await t.test("what was pushed, pulled and loaded is found", (t) =>
    testTransfers(t, first, second),
  );
  await t.test("to find an image touches no file of the store", (t) =>
    testUntouched(t, first),
  );
  const overlay = await make("overlay", "overlay");
  await t.test("the overlay driver's layers are found", async (t) => {
    const tar = path.join(overlay.engine.shared, "base.tar");
    await run(["cp", path.join(first.engine.shared, "base.tar"), tar]);
    await overlay.engine.podman(["import", tar, "x"]);
    await overlay.check(t, { "podman import": ["x"] });
    t.equal(overlay.find("x").tree.kind, "layers");
  });

  const version = await first.engine.podman([
    ...["version", "--format", "{{.Client.Version}}"],
  ]);
  const count = first.checked.length + second.checked.length;
  const wrong = first.wrong() + second.wrong();
  table.push(
    `podman  ${version.padEnd(8)} btrfs  ${String(count).padStart(11)}  ${String(wrong).padStart(5)}`,
  );
}

async function testNames(
  t: Test,
  bench: PodmanBench,
  {
    dangling,
    list,
  }: { readonly dangling: readonly string[]; readonly list: string },
): Promise<void> {
  const { engine } = bench;
  const many = await podmanIdOf(engine, "many:1");
  const base = await podmanIdOf(engine, "base:1");
  const hex = many.slice("sha256:".length);
  const digest = await digestOf(engine, "many:1");
  await bench.check(t, {
    "podman import": ["base:1"],
    "podman build": ["single:1", "many:1", "squashed:1"],
    "repeated layers": ["repeated:1"],
    "podman commit": ["committed"],
    "podman manifest": ["multi:1", "localhost/multi:1", "part:arm64"],
    "tag latest by default": ["many", "many:latest", "me/many", "committed"],
    "localhost in full": ["localhost/many:1", "localhost/me/many"],
    "docker.io in full": [
      ...["docker.io/library/hub:1", "docker.io/hub:1", "docker.io/me/hub:1"],
      ...["index.docker.io/hub:1", "docker.io/both:1", "library/both:1"],
    ],
    "docker.io, not written": ["hub:1", "library/hub:1", "me/hub:1"],
    "other registries": [
      ...["registry.example:5000/ns/many:v2", "registry.example/elsewhere"],
      ...["images.example/a/two:1", "images.example/b/two:1"],
    ],
    "a registry not written": [
      ...["elsewhere", "many:v2", "ns/many:v2", "er/many:v1.0_x-y"],
      ...["deep/elsewhere:1", "ns/deep/elsewhere:1", "a/two:1", "b/two:1"],
    ],
    digest: [
      ...[`many@${digest}`, `localhost/many@${digest}`],
      ...[`many:other@${digest}`, `registry.example:5000/ns/many@${digest}`],
      ...[`elsewhere@${digest}`, `deep/elsewhere@${digest}`],
    ],
    "image ID": [many, hex, base],
    "ID of a list for several platforms": [list, list.slice(0, 12)],
    "beginning of an ID": [
      ...[hex.slice(0, 5), hex.slice(0, 12), hex.slice(0, 63)],
      ...dangling.map((id) => id.slice("sha256:".length, 20)),
    ],
    "no name": dangling,
    "a name that an ID begins with": [6, 7, 8].map((n) => hex.slice(0, n)),
  });
  t.equal(bench.find(hex.slice(0, 6)).id, base, "the name wins");
  t.equal(bench.find(hex.slice(0, 7)).id, base, "the name wins");
  t.equal(bench.find(hex.slice(0, 8)).id, many, "a name's end does not win");
}

async function testLayers(t: Test, bench: PodmanBench): Promise<void> {
  const { podman } = bench.engine;
  for (const text of ["base:1", "repeated:1", "many:1", "committed"]) {
    const found = bench.find(text);
    const layers = openStore(bench.location).listLayers(found);
    const said = await podman([
      ...["image", "inspect", "--format={{json .RootFS.Layers}}", text],
    ]);
    t.strictSame(
      layers.map(({ diffId }) => diffId),
      JSON.parse(said),
      text,
    );
    const history = JSON.parse(
      await podman(["history", "--format=json", text]),
    ) as { size: number }[];
    t.strictSame(
      layers.map(({ sizeBytes }) => sizeBytes),
      history
        .map(({ size }) => size)
        .filter((size) => size > 0)
        .toReversed(),
      text,
    );
    t.equal(layers.at(-1)?.cacheId, path.basename(leafOf(found)));
  }
}

/** Where podman answers, but out of its configuration or the order of its list. */
async function testRefusals(
  t: Test,
  bench: PodmanBench,
  {
    empty,
    ambiguousPrefix,
  }: { readonly empty: string; readonly ambiguousPrefix: string },
): Promise<void> {
  const { engine } = bench;
  const [base, many] = await Promise.all(
    ["base:1", "many:1"].map((name) => podmanIdOf(engine, name)),
  );
  t.equal(await podmanIdOf(engine, "both:1"), many, "localhost's");
  t.equal(await podmanIdOf(engine, "aliased:1"), base, "Docker Hub's, here");
  for (const text of ["both:1", "aliased:1", "two:1"]) {
    t.throws(() => bench.find(text), { code: "IMAGE_AMBIGUOUS" }, text);
  }
  await t.rejects(podmanIdOf(engine, ambiguousPrefix));
  t.throws(() => bench.find(ambiguousPrefix), {
    code: "IMAGE_AMBIGUOUS",
    message: new RegExp(`^${ambiguousPrefix} is the beginning of 2 `),
  });
  for (const text of ["empty:1", empty, empty.slice(7, 19)]) {
    t.throws(() => bench.find(text), { code: "IMAGE_EMPTY" }, text);
  }
}

async function testMissing(t: Test, bench: PodmanBench): Promise<void> {
  for (const text of [
    ...["nothing", "many:2", "other/many:1", "registry.example/many:1"],
    ...["registry.example:5001/ns/many:v2", "docker.io/many:1", "library/many"],
    ...["any:v2", "s/many:v2", "5000/ns/many:v2", "localhost/elsewhere"],
    ...["LOCALHOST/many:1", "Registry.example/elsewhere", "docker.io/base:1"],
    ...[`many@sha256:${"0".repeat(64)}`, `sha256:${"0".repeat(64)}`],
    ...["0".repeat(12), await digestOf(bench.engine, "many:1")],
  ]) {
    await t.rejects(podmanIdOf(bench.engine, text), text);
    t.throws(() => bench.find(text), { code: "IMAGE_MISSING" }, text);
  }
}

async function testTransfers(
  t: Test,
  first: PodmanBench,
  second: PodmanBench,
): Promise<void> {
  const { podman, shared } = first.engine;
  const at = `${registry}/${first.location.path}`;
  const push = (...args: readonly string[]) =>
    podman([
      ...args.slice(0, -2),
      "--quiet",
      "--tls-verify=false",
      ...args.slice(-2),
    ]);
  await push("push", "many:1", `${at}/many:v1`);
  await push("push", "repeated:1", `${at}/other`);
  await push("manifest", "push", "--all", "multi:1", `${at}/multi:1`);

  const pull = (name: string) =>
    second.engine.podman(["pull", "--quiet", "--tls-verify=false", name]);
  await pull(`${at}/other`);
  await pull(`${at}/multi:1`);
  const digests = await digestsOf(second.engine, `${at}/multi:1`);
  t.equal(digests.length, 2, "of the list, and of the image in it");
  const other = await digestOf(second.engine, `${at}/other`);
  const many = await pushedDigest(`${at}/many`, "v1");
  await pull(`${at}/many@${many}`);
  for (const [format, names] of [
    ["docker-archive", ["committed", "base:1"]],
    ["oci-archive", ["squashed:1"]],
  ] as const) {
    const tar = path.join(shared, `${format}.tar`);
    const several = names.length > 1 ? ["--multi-image-archive"] : [];
    await podman([
      ...["save", "--quiet", `--format=${format}`, ...several],
      ...["--output", tar, ...names],
    ]);
    await run(["mv", tar, second.engine.shared]);
    await second.engine.podman([
      ...["load", "--quiet", "--input"],
      path.join(second.engine.shared, path.basename(tar)),
    ]);
  }
  const id = await podmanIdOf(first.engine, "many:1");
  await second.check(t, {
    "pulled by tag": [`${at}/other`, `${at}/other:latest`, "other"],
    "pulled by tag, by its digest": [`${at}/other@${other}`],
    "pulled for one of several platforms": [
      ...[`${at}/multi:1`, "multi:1"],
      ...digests.flatMap((digest) => [
        `${at}/multi@${digest}`,
        `multi@${digest}`,
      ]),
    ],
    "pulled by digest": [`${at}/many@${many}`, id, id.slice(7, 19)],
    "podman load": ["committed", "base:1", "localhost/base:1"],
    "podman load of an OCI archive": ["squashed:1"],
  });
  t.throws(
    () => second.find(`${at}/many:v1`),
    { code: "IMAGE_MISSING" },
    "what was pulled by digest has no tag",
  );
}

async function testUntouched(t: Test, bench: PodmanBench): Promise<void> {
  const directory = path.join(top, bench.location.path);
  const options = { contents: false, changeTimes: true };
  const before = listTree(directory, options);
  for (const text of bench.checked) bench.find(text);
  t.strictSame(compareListings(listTree(directory, options), before), []);
}

function digestOf({ podman }: PodmanEngine, name: string): Promise<string> {
  return podman(["image", "inspect", "--format={{.Digest}}", name]);
}

/** All digests by which podman knows the image. */
async function digestsOf(
  { podman }: PodmanEngine,
  name: string,
): Promise<string[]> {
  const text = await podman([
    ...["image", "inspect", "--format={{json .RepoDigests}}", name],
  ]);
  const digests = (JSON.parse(text) as string[]).map(
    (other) => other.split("@")[1] ?? "",
  );
  return [...new Set(digests)];
}

async function pushedDigest(name: string, tag: string): Promise<string> {
  const [host = "", ...rest] = name.split("/");
  const answer = await fetch(
    `http://${host}/v2/${rest.join("/")}/manifests/${tag}`,
    { headers: { Accept: "application/vnd.oci.image.manifest.v1+json" } },
  );
  return answer.headers.get("docker-content-digest") ?? "";
}
