// runner: tier=first seconds=16 needs=engines
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import type { DockerEngine } from "../../../fixtures/docker-engine.ts";
import { importTree } from "../../../fixtures/images.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { makeEnginePlace, type EngineStore } from "./engine-place.ts";
import { askEngine, checkAnswers } from "./engine-references.ts";

const IMAGE = "system:1";
const STORES = [
  { suite: "trixie", kind: "classic" },
  { suite: "trixie", kind: "containerd" },
  { suite: "forky", kind: "classic" },
  { suite: "forky", kind: "containerd" },
] as const;

const place = await makeEnginePlace(t, "overlay-stores");

for (const { suite, kind } of STORES) {
  t.test(
    `Debian ${suite}, ${kind}: refused on overlay, and found when one has done what the refusal says`,
    (t) => testWayToBtrfs(t, { suite, kind, driver: "overlay" }),
  );
}

async function testWayToBtrfs(t: Test, overlay: EngineStore): Promise<void> {
  const name = `${overlay.suite}-${overlay.kind}`;
  const files = path.join(place.scratch, name);
  mkdirSync(path.join(files, "tree"), { recursive: true });
  writeFileSync(path.join(files, "tree/file"), name);
  const tar = path.join(files, "image.tar");

  const { engine: before, store } = await place.start(overlay, name);
  const find = (text: string) => place.find(store, text);
  await importTree(before, path.join(files, "tree"), IMAGE);
  const { way, command } = WAYS[overlay.kind === "classic" ? "load" : "unpack"];
  if (way === "load") await before.docker(["save", "--output", tar, IMAGE]);
  await before.stop();

  t.equal(find(IMAGE).tree.kind, "layers");
  const refusal = refusalOf(() =>
    place.open(store).findRoot(parseImageReference(IMAGE)),
  );
  t.equal(refusal?.code, "STORE_UNSUPPORTED");
  t.match(refusal?.message, /are not btrfs subvolumes but directories/);
  t.match(refusal?.hint, command, "the hint names what is done here");

  const { engine: after, version } = await place.start(
    { ...overlay, driver: "btrfs" },
    name,
  );
  if (way === "load") await after.docker(["load", "--input", tar]);
  else await unpack(after, IMAGE);
  const answers = await askEngine(after, { moved: [IMAGE] }, files);
  await after.stop();
  checkAnswers(t, answers, find, place);
  t.equal(find(IMAGE).tree.kind, "subvolume", "the same in two drivers");
  t.comment(`docker.io ${version}, ${overlay.kind}, overlay: refused, moved`);
}

const WAYS = {
  load: { way: "load", command: /docker load --input image\.tar/ },
  unpack: { way: "unpack", command: /docker rm \$\(docker create NAME true\)/ },
} as const;

async function unpack({ docker }: DockerEngine, image: string) {
  await docker(["rm", await docker(["create", image, "true"])]);
}

function refusalOf(work: () => unknown): BootError | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof BootError) return error;
    throw error;
  }
  return undefined;
}
