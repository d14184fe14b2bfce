// runner: tier=first seconds=40 whole=100 needs=engines
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import type { DockerEngine } from "../../../fixtures/docker-engine.ts";
import { idOf, makeImages } from "../../../fixtures/images.ts";
import { makeOciImage, writeOciLayout } from "../../../fixtures/oci-image.ts";
import { makePodmanImages } from "../../../fixtures/podman-images.ts";
import { run } from "../../../fixtures/run.ts";
import type { FoundImage } from "../../../runtime/stores/store.ts";
import { isWholeTier } from "../../tier.ts";
import { makeEnginePlace, type EngineStore } from "./engine-place.ts";
import { askEngine, checkAnswers } from "./engine-references.ts";
import { makePodmanBench } from "./podman-bench.ts";

// Images of overlay stores on ext4: their layers are those that the engine itself mounts, and overlayfs
// makes of them what the engine exports.

const FIRST: readonly EngineStore[] = [
  { suite: "trixie", kind: "classic", driver: "overlay" },
  { suite: "forky", kind: "containerd", driver: "overlay" },
];
const OTHERS: readonly EngineStore[] = [
  { suite: "trixie", kind: "containerd", driver: "overlay" },
  { suite: "trixie", kind: "system containerd", driver: "overlay" },
  { suite: "forky", kind: "classic", driver: "overlay" },
];

/** Those that have a shell, so that a container of them can run. */
const RUNNABLE = ["base:1", "many:1", "committed"];

const IMAGES = [...RUNNABLE, "single:1", "repeated:1", "moving:1"];

const DEEP = "deep:1";
const DEEP_LAYERS = 120;

const place = await makeEnginePlace(t, "overlay-engines", { fsType: "ext4" });

for (const store of isWholeTier() ? [...FIRST, ...OTHERS] : FIRST) {
  await t.test(`Debian ${store.suite}, ${store.kind}`, (t) =>
    testDocker(t, store),
  );
}

await t.test("Podman", testPodman);

async function testDocker(t: Test, engineStore: EngineStore): Promise<void> {
  const name = `${engineStore.suite}-${engineStore.kind.replace(" ", "-")}`;
  const files = path.join(place.scratch, name);
  fs.mkdirSync(files);
  const isClassic = engineStore.kind === "classic";
  const { engine, store, version } = await place.start(engineStore, name);
  await makeImages(engine, files, isClassic ? "configuration" : "manifest");
  if (!isClassic) await loadDeep(engine, files);
  const images = isClassic ? IMAGES : [...IMAGES, DEEP];
  const mounted = new Map<string, readonly string[]>();
  for (const image of RUNNABLE) {
    mounted.set(image, await lowersOfContainer(engine, image));
  }
  const ids = await Promise.all(images.map((image) => idOf(engine, image)));
  const answers = await askEngine(engine, { names: images, ids }, files);
  await engine.stop();

  const find = (text: string) => place.find(store, text);
  checkAnswers(t, answers, find, place);
  for (const [image, lowers] of mounted) {
    t.strictSame(directoriesOf(find(image)), lowers, image);
  }
  if (!isClassic) {
    t.equal(directoriesOf(find(DEEP)).length, DEEP_LAYERS);
    const { diffIds } = find("committed");
    const extra = directoriesOf(find("committed")).length - diffIds.length;
    t.comment(`committed has ${String(extra)} layer below that is none of it`);
  }
  t.comment(`docker.io ${version}, ${engineStore.kind}`);
}

/** One file in each layer, and the same one in all. */
async function loadDeep(
  { docker }: DockerEngine,
  files: string,
): Promise<void> {
  const trees = Array.from({ length: DEEP_LAYERS }, (_, index) => {
    const tree = path.join(files, "deep", String(index));
    fs.mkdirSync(tree, { recursive: true });
    fs.writeFileSync(path.join(tree, `file-${String(index)}`), "");
    fs.writeFileSync(path.join(tree, "last"), String(index));
    return tree;
  });
  const tar = path.join(files, "deep.tar");
  const image = await makeOciImage(trees, "amd64");
  await writeOciLayout(tar, [{ image, names: [`docker.io/library/${DEEP}`] }]);
  await docker(["load", "--input", tar]);
}

/** What a container of the image that runs has below its own layers. */
async function lowersOfContainer(
  { docker, socket }: DockerEngine,
  image: string,
): Promise<string[]> {
  const container = await docker([
    ...["run", "--detach", "--network=none", image],
    ...["sh", "-c", "mkfifo /waits; read x </waits"],
  ]);
  const daemon = fs.readFileSync(
    path.join(path.dirname(socket), "pid"),
    "utf8",
  );
  const file = `/proc/${daemon.trim()}/mountinfo`;
  const mounts = fs.readFileSync(file, "utf8").split("\n");
  const isOwn = await isMountOf(docker, container);
  const lowers = lowersIn(mounts.find(isOwn) ?? "");
  await docker(["rm", "--force", container]);
  // The first is what Docker lays over the image in each container.
  return lowers.slice(1);
}

async function isMountOf(
  docker: DockerEngine["docker"],
  container: string,
): Promise<(mount: string) => boolean> {
  const merged = await docker([
    "inspect",
    "--format={{with .GraphDriver.Data}}{{.MergedDir}}{{end}}",
    container,
  ]);
  const at = merged === "" ? container : merged;
  return (mount) =>
    mount.includes(" - overlay ") && (mount.split(" ")[4] ?? "").endsWith(at);
}

/** The lower directories of a line of mountinfo, absolute, without links. */
function lowersIn(mount: string): string[] {
  const lowers = /[ ,]lowerdir=([^, ]+)/.exec(mount)?.[1] ?? "";
  return lowers.split(":").map((lower) => fs.realpathSync(lower));
}

function directoriesOf({ tree }: FoundImage): string[] {
  if (tree.kind === "subvolume") return [];
  return tree.layers.map(({ directory }) => path.join(place.top, directory));
}

async function testPodman(t: Test): Promise<void> {
  const bench = await makePodmanBench({
    ...{ disk: place.top, scratch: place.scratch, store: "podman" },
    ...{ storageDriver: "overlay", engineRoot: undefined },
  });
  await makePodmanImages(bench.engine);
  const images = ["base:1", "single:1", "many:1", "repeated:1", "committed"];
  await bench.check(t, { names: images });
  for (const image of [...images, "squashed:1"]) {
    const command = bench.engine.commandOf([...["image", "mount", image]]);
    // Where podman has mounted it, nobody else sees it.
    const at = command.lastIndexOf("podman");
    const script = '"$@" >/dev/null; cat /proc/self/mountinfo';
    const text = await run([
      ...command.slice(0, at),
      ...["sh", "-ec", script, "sh"],
      ...command.slice(at),
    ]);
    const mount = text
      .split("\n")
      .find(
        (line) =>
          line.includes(" - overlay ") && line.includes(bench.location.path),
      );
    // A single layer podman lays over an empty directory, since overlayfs wants two.
    const lowers = lowersIn(mount ?? "").filter(
      (lower) => path.basename(lower) !== "empty",
    );
    t.strictSame(directoriesOf(bench.find(image)), lowers, image);
  }
}
