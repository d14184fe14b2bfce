// runner: tier=first seconds=6 needs=engines
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import type { DockerEngine } from "../../../fixtures/docker-engine.ts";
import { idOf, importTree } from "../../../fixtures/images.ts";
import { makeEnginePlace } from "./engine-place.ts";
import { askEngine, checkAnswers } from "./engine-references.ts";

/** One Docker that had its images in the one way, and now has them in the other. */
const STORE = "docker";
const place = await makeEnginePlace(t, "two-stores");
const newest = { suite: "forky", driver: "btrfs" } as const;
const tar = path.join(place.scratch, "both.tar");

const { engine: classic } = await place.start(
  { ...newest, kind: "classic" },
  STORE,
);
await importText(classic, "same-name:1", "in the classic store");
await importText(classic, "classic:1", "in the classic store alone");
await importText(classic, "both:1", "in both");
await classic.docker(["save", "--output", tar, "both:1"]);
const inClassic = {
  concurrently: await idOf(classic, "both:1"),
  own: await askEngine(
    classic,
    { "in the classic store alone": ["classic:1"] },
    makeDirectory("classic"),
  ),
  all: await askEngine(
    classic,
    { graphdriver: ["same-name:1", "both:1", "classic:1"] },
    makeDirectory("classic-all"),
  ),
};
await classic.stop();

t.test("an empty containerd store beside it does not count", (t) => {
  checkAnswers(t, inClassic.all, (text) => place.find(STORE, text), place);
  t.end();
});

t.test("two stores with images", async (t) => {
  const { engine: containerd } = await place.start(
    { ...newest, kind: "containerd" },
    STORE,
  );
  await importText(containerd, "same-name:1", "in containerd's store");
  await importText(containerd, "containerd:1", "in containerd's store alone");
  await containerd.docker(["load", "--input", tar]);
  const all = await askEngine(
    containerd,
    { containerd: ["same-name:1", "both:1", "containerd:1"] },
    makeDirectory("containerd-all"),
  );
  const own = await askEngine(
    containerd,
    { "in containerd's store alone": ["containerd:1"] },
    makeDirectory("containerd"),
  );
  const concurrently = await idOf(containerd, "both:1");
  await containerd.stop();

  t.test("a name of different images is refused, and both are told", (t) => {
    t.throws(() => place.find(STORE, "same-name:1"), {
      code: "STORE_AMBIGUOUS",
      hint: /dockroot\.store=graphdriver or dockroot\.store=containerd/,
    });
    t.end();
  });

  t.test("a name that one of them has is found", (t) => {
    for (const answers of [inClassic.own, own]) {
      checkAnswers(t, answers, (text) => place.find(STORE, text), place);
    }
    t.end();
  });

  t.test("the same image in both is found by its name and both IDs", (t) => {
    const found = place.find(STORE, "both:1");
    t.not(
      inClassic.concurrently,
      concurrently,
      "each of them shows another ID",
    );
    for (const text of [inClassic.concurrently, concurrently]) {
      t.equal(place.find(STORE, text).configId, found.configId, text);
    }
    t.equal(found.configId, inClassic.concurrently);
    t.end();
  });

  t.test("the kind of store that is named decides", (t) => {
    checkAnswers(
      t,
      inClassic.all,
      (text) => place.find(STORE, text, "graphdriver"),
      place,
    );
    checkAnswers(
      t,
      all,
      (text) => place.find(STORE, text, "containerd"),
      place,
    );
    t.throws(() => place.find(STORE, "classic:1", "containerd"), {
      code: "IMAGE_MISSING",
    });
    t.throws(() => place.find(STORE, "containerd:1", "graphdriver"), {
      code: "IMAGE_MISSING",
    });
    t.end();
  });
});

/** An image with one file. */
async function importText(
  engine: DockerEngine,
  reference: string,
  text: string,
): Promise<void> {
  const tree = makeDirectory(text.replaceAll(/\W/g, "-"));
  writeFileSync(path.join(tree, "file"), text);
  await importTree(engine, tree, reference);
}

function makeDirectory(name: string): string {
  const directory = path.join(place.scratch, name);
  mkdirSync(directory);
  return directory;
}
