// runner: tier=first seconds=136 weight=2 needs=engines
import { mkdirSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import type { DockerEngine } from "../../../fixtures/docker-engine.ts";
import { idOf, makeImages } from "../../../fixtures/images.ts";
import { writeOciLayout } from "../../../fixtures/oci-image.ts";
import {
  makeImageOfPlatforms,
  shipImages,
  TWO_PLATFORMS,
} from "../../../fixtures/shipped-images.ts";
import type { ErrorCode } from "../../../runtime/base/errors.ts";
import { makeEnginePlace, type EngineStore } from "./engine-place.ts";
import {
  askEngine,
  checkAnswers,
  digestOf,
  NOT_MADE,
  referencesToMade,
  type Answers,
  type References,
} from "./engine-references.ts";
import { printTable, type TableRow } from "./engine-table.ts";

const STORES = [
  { suite: "trixie", kind: "classic" },
  { suite: "trixie", kind: "containerd" },
  { suite: "trixie", kind: "system containerd" },
  { suite: "forky", kind: "classic" },
  { suite: "forky", kind: "containerd" },
] as const;

const place = await makeEnginePlace(t, "engines");
// Each waits for its engine and for the disk most of the time.
t.jobs = STORES.length;
const table = new Map<(typeof STORES)[number], TableRow>();
// A registry answers 500 for a tag that another push is just writing: each has its own.
const stores: { store: (typeof STORES)[number]; address: string }[] = [];
for (const store of STORES) {
  const name = `registry-${store.suite}-${store.kind}`;
  stores.push({ store, address: await place.startRegistry(name) });
}
await Promise.all(
  stores.map(({ store, address }) =>
    t.test(
      `Debian ${store.suite}, ${store.kind}`,
      { buffered: true },
      async (t) => {
        const engineStore = { ...store, driver: "btrfs" } as const;
        table.set(store, await testStore(t, engineStore, address));
      },
    ),
  ),
);
printTable(
  t,
  STORES.flatMap((store) => table.get(store) ?? []),
);

/** What was asked while the engine ran, for when it has ended. */
interface Asked {
  readonly answers: Answers;
  readonly refused: Readonly<Partial<Record<ErrorCode, readonly string[]>>>;
  /** Reference to diff IDs. */
  readonly layers: ReadonlyMap<string, readonly string[]>;
}

/** What dockroot finds, once the engine has ended, is what the engine said while it ran. */
async function testStore(
  t: Test,
  engineStore: EngineStore,
  registryAddress: string,
): Promise<TableRow> {
  const name = `${engineStore.suite}-${engineStore.kind.replace(" ", "-")}`;
  const isContainerd = engineStore.kind !== "classic";
  const files = path.join(place.scratch, name);
  mkdirSync(files);
  if (isContainerd) {
    const before = await place.start(
      { ...engineStore, driver: "native" },
      name,
    );
    await loadPlatforms(before.engine, files, "not-unpacked:1", TWO_PLATFORMS);
    await before.engine.stop();
  }
  const { engine, store, version } = await place.start(engineStore, name);
  const asked = await ask(t, engine, files, isContainerd, registryAddress);
  await engine.stop();

  const find = (text: string) => place.find(store, text);
  const count = checkAnswers(t, asked.answers, find, place);
  for (const [code, texts] of Object.entries(asked.refused)) {
    for (const text of texts) t.throws(() => find(text), { code }, text);
  }
  for (const [text, diffIds] of asked.layers) {
    const layers = place.open(store).listLayers(find(text));
    t.strictSame(
      layers.map(({ diffId }) => diffId),
      diffIds,
      `the layers of ${text}`,
    );
  }
  if (engineStore.kind === "containerd") {
    const direct = place.find(`${name}/containerd/daemon`, "base:1");
    t.strictSame(
      direct,
      find("base:1"),
      "its containerd's directory does, too",
    );
  }
  if (engineStore.kind === "system containerd") {
    t.throws(
      () => place.find(name, "base:1"),
      {
        code: "STORE_MISSING",
        message: /in the store of a separate containerd/,
        hint: /\/var\/lib\/containerd/,
      },
      "Docker's own directory has no images, and it says who has",
    );
  }
  return {
    engine: ["docker.io", version],
    store: `${engineStore.kind}, btrfs`,
    ...count,
  };
}

async function ask(
  t: Test,
  engine: DockerEngine,
  files: string,
  isContainerd: boolean,
  registryAddress: string,
): Promise<Asked> {
  const made = await makeImages(
    engine,
    files,
    isContainerd ? "manifest" : "configuration",
  );
  const shipped = await shipImages(engine, files, registryAddress);
  if (isContainerd) {
    await loadPlatforms(engine, files, "two-platforms:1", TWO_PLATFORMS);
    await loadPlatforms(engine, files, "other-machine:1", ["arm64"]);
  }
  const many = await idOf(engine, "many:1");
  const committed = await idOf(engine, "committed");
  const empty = await idOf(engine, "empty:1");
  const hexOf = (id: string) => id.slice("sha256:".length);
  const pushed = await digestOf(engine, shipped.pushed);
  const platforms = await digestOf(engine, shipped.twoPlatforms);
  const digest = pushed.split("@")[1] ?? "";

  const references: References = {
    ...referencesToMade({ many, committed, dangling: made.dangling }),
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
    ...(isContainerd && {
      "docker load of two platforms": ["two-platforms:1"],
      "digest of a local image": [
        ...[`many@${many}`, `docker.io/library/many:1@${many}`],
        `registry.example:5000/ns/many@${many}`,
      ],
    }),
  };
  const missing = [
    ...NOT_MADE,
    ...[`nothing@${digest}`, shipped.byDigest.replace(/@.*/, ":v1")],
    ...(isContainerd ? [`committed@${many}`] : [`many@${many}`]),
  ];
  for (const text of [...missing, made.ambiguousPrefix]) {
    await t.rejects(engine.docker(["image", "inspect", text]), text);
  }
  const layers = new Map<string, readonly string[]>();
  for (const text of ["base:1", "repeated:1", "many:1", "committed"]) {
    const said = await engine.docker([
      ...["inspect", "--format={{json .RootFS.Layers}}", text],
    ]);
    layers.set(text, JSON.parse(said) as string[]);
  }
  return {
    answers: await askEngine(engine, references, files),
    refused: {
      IMAGE_MISSING: [...missing, ...(isContainerd ? ["other-machine:1"] : [])],
      IMAGE_EMPTY: ["empty:1", empty, hexOf(empty).slice(0, 12)],
      IMAGE_AMBIGUOUS: [made.ambiguousPrefix],
      ...(isContainerd && { IMAGE_NOT_UNPACKED: ["not-unpacked:1"] }),
    },
    layers,
  };
}

/** What `docker pull` never leaves: an index with all of its platforms in the store. */
async function loadPlatforms(
  { docker }: DockerEngine,
  files: string,
  name: string,
  architectures: readonly string[],
): Promise<void> {
  const directory = path.join(files, name.replace(":", "-"));
  const image = await makeImageOfPlatforms(directory, architectures);
  const tar = `${directory}.tar`;
  await writeOciLayout(tar, [{ image, names: [`docker.io/library/${name}`] }]);
  await docker(["load", "--input", tar]);
}
