// runner: tier=first seconds=15 whole=120
import fs from "node:fs";
import t from "tap";
import { createRandom } from "../../fixtures/random.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { FoundImage } from "../../runtime/stores/store.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { copyStore, OVERLAY_STORES } from "../unit/stores/captured-stores.ts";
import { mapBytes } from "./bolt-bytes.ts";
import { createTally } from "./tally.ts";

// Changes a byte of what leads to an image's layers, in stores that the engines have made: each time the
// image has its layers, all of them and in their order, or an error of dockroot's own kind tells of it.

/** Of each file: in the first tier, and in all. */
const SAMPLE = 100;
const MOST = 4000;

const seed = isWholeTier() ? 6 : sampleSeed();

for (const captured of OVERLAY_STORES) {
  t.test(`${captured.captured}: a byte that is changed`, (t) => {
    const random = createRandom(seed);
    const store = copyStore(t, captured);
    const tally = createTally();
    // That of containerd has a layer below its own.
    const names = ["many:1", "committed:1"].filter((name) =>
      store.images.some((image) => image.names.includes(name)),
    );
    if (names.length === 0) names.push("localhost/many:1");
    const whole = names.map((name) => describe(() => store.find(name)));
    for (const name of captured.listFiles(store)) {
      const file = store.file(name);
      const content = fs.readFileSync(file);
      const places = name.endsWith(".db")
        ? mapBytes(content).used
        : [...content.keys()];
      const most = isWholeTier() ? MOST : SAMPLE;
      const step = Math.ceil(places.length / most);
      for (let at = random.below(step); at < places.length; at += step) {
        const place = places[at] ?? 0;
        const changed = Buffer.from(content);
        changed[place] = (changed[place] ?? 0) ^ (1 << random.below(8));
        fs.writeFileSync(file, changed);
        const found = names.map((name) => describe(() => store.find(name)));
        const isRight = found.every(
          (answer, index) => answer === "refused" || answer === whole[index],
        );
        tally.count(
          t,
          `${name}, byte ${String(place)}`,
          isRight ? undefined : `found ${found.join(" and ")}`,
        );
      }
      fs.writeFileSync(file, content);
    }
    t.notOk(whole.includes("refused"));
    tally.record(t, `changed bytes, ${captured.captured}`);
    t.end();
  });
}

/** The name of a layer is another where the time at which it was made is; then it is held once more. */
function describe(find: () => FoundImage): string {
  try {
    const { id, tree } = find();
    const layers = tree.kind === "layers" ? tree.layers : [];
    return [id, ...layers.map(({ directory }) => directory)].join(" ");
  } catch (error) {
    if (error instanceof BootError) return "refused";
    throw error;
  }
}
