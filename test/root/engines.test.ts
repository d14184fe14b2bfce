import { mkdirSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { findEngineRoots } from "../../fixtures/cached-debian.ts";
import type { DockerEngine } from "../../fixtures/docker-engine.ts";
import { idOf, makeImages } from "../../fixtures/images.ts";
import { makeMountedBtrfs } from "../../fixtures/loop-disk.ts";
import { writeOciLayout } from "../../fixtures/oci-image.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import {
  makeImageOfTwoPlatforms,
  shipImages,
} from "../../fixtures/shipped-images.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { parseImageReference } from "../../runtime/image-ref.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import {
  askEngine,
  checkAnswers,
  digestOf,
  type Answers,
  type References,
} from "./engine-references.ts";
import { startEngineStore, type EngineStore } from "./engine-stores.ts";
import { makeScratch } from "./scratch.ts";

const STORES: readonly EngineStore[] = [
  { suite: "trixie", kind: "classic" },
  { suite: "trixie", kind: "containerd" },
  { suite: "trixie", kind: "system containerd" },
  { suite: "forky", kind: "classic" },
  { suite: "forky", kind: "containerd" },
];

const scratch = makeScratch(t, "engines");
const disk = await makeMountedBtrfs(
  path.join(scratch, "disk"),
  path.join(scratch, "mnt"),
);
t.teardown(disk.close);
const registry = await startRegistry(path.join(scratch, "registry"));
t.teardown(registry.stop);
const roots = await findEngineRoots();

for (const store of STORES) {
  t.test(`Debian ${store.suite}, ${store.kind}, btrfs`, async (t) => {
    await testStore(t, store);
  });
}

/** What was asked while the engine ran, for when it has ended. */
interface Asked {
  readonly answers: Answers;
  readonly missing: readonly string[];
  readonly empty: readonly string[];
  readonly ambiguous: readonly string[];
}

async function testStore(t: Test, engineStore: EngineStore): Promise<void> {
  const name = `${engineStore.suite}-${engineStore.kind.replace(" ", "-")}`;
  const place = {
    ...{ scratch, top: disk.mountPoint, name },
    engineRoot: roots[engineStore.suite],
  };
  const isContainerd = engineStore.kind !== "classic";
  const files = path.join(scratch, name);
  mkdirSync(files);
  if (isContainerd) {
    const elsewhere = await startEngineStore(engineStore, {
      ...{ ...place, driver: "overlay2" },
    });
    t.teardown(elsewhere.engine.stop);
    await loadPlatforms(elsewhere.engine, files, "not-unpacked:1");
    await elsewhere.engine.stop();
  }
  const { engine, store, version } = await startEngineStore(engineStore, place);
  t.teardown(engine.stop);
  const asked = await ask(t, engine, files, isContainerd);
  await engine.stop();

  const find = (text: string) => {
    const host = createHost("/", createLog([]));
    return openStore({ host, topLevel: disk.mountPoint, path: store }).find(
      parseImageReference(text),
    );
  };
  const count = checkAnswers(t, asked.answers, find, disk.mountPoint);
  for (const text of asked.missing) {
    t.throws(() => find(text), { code: "IMAGE_MISSING" }, `no image: ${text}`);
  }
  for (const text of asked.empty) {
    t.throws(() => find(text), { code: "IMAGE_EMPTY" }, `no layers: ${text}`);
  }
  for (const text of asked.ambiguous) {
    t.throws(() => find(text), { code: "IMAGE_AMBIGUOUS" }, `two: ${text}`);
  }
  if (isContainerd) {
    t.throws(() => find("not-unpacked:1"), { code: "IMAGE_NOT_UNPACKED" });
  }
  t.comment(
    `docker.io ${version}, ${engineStore.kind}, btrfs: ${String(count.references)} references resolved and compared, ${String(count.wrong)} wrong`,
  );
}

async function ask(
  t: Test,
  engine: DockerEngine,
  files: string,
  isContainerd: boolean,
): Promise<Asked> {
  const made = await makeImages(
    engine,
    files,
    isContainerd ? "manifest" : "configuration",
  );
  const shipped = await shipImages(engine, files, registry.address);
  if (isContainerd) await loadPlatforms(engine, files, "two-platforms:1");
  const many = await idOf(engine, "many:1");
  const committed = await idOf(engine, "committed");
  const empty = await idOf(engine, "empty:1");
  const hexOf = (id: string) => id.slice("sha256:".length);
  const hex = hexOf(many);
  const pushed = await digestOf(engine, shipped.pushed);
  const platforms = await digestOf(engine, shipped.twoPlatforms);
  const digest = pushed.split("@")[1] ?? "";

  const references: References = {
    "docker import": ["base:1"],
    "docker build": ["single:1", "many:1", "moving:1"],
    "repeated layers": ["repeated:1"],
    "docker commit": ["committed"],
    "docker load": [shipped.loaded],
    "docker push": [shipped.pushed, pushed, `${shipped.pushed}@${digest}`],
    "docker pull by tag": [
      ...[shipped.byTag, `${shipped.byTag}:latest`],
      await digestOf(engine, shipped.byTag),
    ],
    "docker pull by digest": [
      ...[shipped.byDigest, await idOf(engine, shipped.byDigest)],
    ],
    "docker pull of two platforms": [
      ...[shipped.twoPlatforms, platforms],
      await idOf(engine, shipped.twoPlatforms),
    ],
    "tag latest by default": [
      ...["many", "many:latest", "me/many", "committed:latest"],
    ],
    "docker.io in full": [
      ...["docker.io/library/many:1", "library/many:1", "docker.io/many"],
      ...["index.docker.io/library/many:1", "docker.io/me/many:latest"],
    ],
    "other registries": [
      ...["localhost/many:1", "registry.example:5000/ns/many:v2"],
      ...["registry.example/many", "me/deep/er/many:v1.0_x-y"],
    ],
    "image ID": [many, hex, committed],
    "beginning of an ID": [
      ...[hex.slice(0, 12), hex.slice(0, 63), `sha256:${hex.slice(0, 12)}`],
      ...made.dangling.map((id) => hexOf(id).slice(0, 13)),
    ],
    "no name": made.dangling,
    "a name that an ID begins with": [hex.slice(0, 7)],
    ...(isContainerd && {
      "docker load of two platforms": ["two-platforms:1"],
      "digest of a local image": [
        ...[`many@${many}`, `docker.io/library/many:1@${many}`],
        `registry.example:5000/ns/many@${many}`,
      ],
    }),
  };
  const none = "0".repeat(64);
  const missing = [
    ...["nothing", "many:2", "other/many:1", "registry.example/many:1"],
    ...["registry.example:5001/ns/many:v2", "localhost/many"],
    ...[`many@sha256:${none}`, `sha256:${none}`, none.slice(0, 12)],
    ...[`nothing@${digest}`, shipped.byDigest.replace(/@.*/, ":v1")],
    ...(isContainerd ? [`committed@${many}`] : [`many@${many}`]),
  ];
  for (const text of [...missing, made.ambiguousPrefix]) {
    await t.rejects(engine.docker(["image", "inspect", text]), text);
  }
  return {
    answers: await askEngine(engine, references, files),
    missing,
    empty: ["empty:1", empty, hexOf(empty).slice(0, 12)],
    ambiguous: [made.ambiguousPrefix],
  };
}

/** What `docker pull` never leaves: an index with all of its platforms in the store. */
async function loadPlatforms(
  { docker }: DockerEngine,
  files: string,
  name: string,
): Promise<void> {
  const directory = path.join(files, name.replace(":", "-"));
  const image = await makeImageOfTwoPlatforms(directory);
  const tar = `${directory}.tar`;
  await writeOciLayout(tar, [{ image, names: [`docker.io/library/${name}`] }]);
  await docker(["load", "--input", tar]);
}
