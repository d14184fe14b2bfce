import fs from "fs-extra";
import t from "tap";
import type { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { findImage } from "../../../runtime/stores/find-image.ts";
import { fails } from "../fails.ts";
import { copyStore, hexOf, ENGINE_STORES } from "./captured-stores.ts";

// Which image a name or an ID means in each engine's store, and what is said where there is none;
// contract.test.ts has the rest.

const MANY_NAMES = 20_000;

for (const captured of ENGINE_STORES) {
  const { engine } = captured;

  t.test(`${engine}: what is missing lists what there is`, (t) => {
    const { find } = copyStore(t, captured);
    const cases: [string, RegExp][] = [
      ["many:2", /the store has: (?:localhost\/)?many:1/],
      ["mone:1", /nearest names are: /],
      ["ab".repeat(32), /no image there has this ID/],
      [`sha256:${"ab".repeat(32)}`, /no image there has this ID/],
      [`one@sha256:${"ab".repeat(32)}`, /one:1/],
    ];
    for (const [text, pattern] of cases) {
      fails(t, () => find(text), "IMAGE_MISSING", pattern);
    }
    t.end();
  });

  t.test(`${engine}: of the names there are the nearest three`, (t) => {
    const store = copyStore(t, captured);
    captured.setNames(
      store,
      ["demo", "mono", "many", "other", "more"].map((name) => {
        return [`docker.io/library/${name}:1`, store.idOf("many:1")] as const;
      }),
    );
    const nearest = /nearest names are: \S*mono:1, \S*more:1, \S*many:1$/;
    fails(t, () => store.find("mone:1"), "IMAGE_MISSING", nearest);
    fails(t, () => store.find("f0e"), "IMAGE_MISSING", /no ID begins like/);
    t.end();
  });

  t.test(`${engine}: an ID in a digest's place is told to stand alone`, (t) => {
    const store = copyStore(t, captured);
    const id = store.idOf("many:1");
    fails(t, () => store.find(`gone@${id}`), "IMAGE_MISSING", /the ID of an/);
    const tagged = `${hexOf(id).slice(0, 12)}:latest`;
    t.throws(() => store.find(tagged), {
      code: "IMAGE_MISSING",
      cause: { message: /is the beginning of an image ID, which has no tag/ },
      hint: `Write the ID alone: ${hexOf(id).slice(0, 12)}.`,
    });
    t.end();
  });

  t.test(`${engine}: in a store without images no name is looked for`, (t) => {
    const store = copyStore(t, captured);
    captured.setNames(store, []);
    const cwd = store.file("");
    for (const directory of fs.globSync("image/*/imagedb", { cwd })) {
      fs.removeSync(store.file(directory));
    }
    for (const list of fs.globSync("*-images/images.json", { cwd })) {
      fs.writeJsonSync(store.file(list), []);
    }
    for (const text of ["many:1", "f0e", "ab".repeat(32)]) {
      t.throws(() => store.find(text), {
        code: "IMAGE_MISSING",
        cause: { message: /^(?:there is|Docker keeps) no image in / },
        hint: /^Fetch the image in a running system: (?:docker|sudo podman) pull/,
      });
    }
    t.end();
  });

  t.test(`${engine}: the beginning of several IDs is ambiguous`, (t) => {
    const store = copyStore(t, captured);
    const hex = hexOf(store.idOf("one:1"));
    const twin = `sha256:${hex.slice(0, 40)}${"0".repeat(24)}`;
    captured.setNames(store, [
      ["docker.io/library/a:1", `sha256:${hex}`],
      ["docker.io/library/b:1", twin],
    ]);
    const find = () => store.find(hex.slice(0, 12));
    fails(t, find, "IMAGE_AMBIGUOUS", /2 image IDs/);
    t.end();
  });

  t.test(`${engine}: a name wins over the beginning of an ID`, (t) => {
    const store = copyStore(t, captured);
    const prefix = hexOf(store.idOf("one:1")).slice(0, 8);
    const reference = parseImageReference(prefix);
    const find = () => findImage(store.reader(), engine, reference).id;
    captured.setNames(store, [["docker.io/library/a:1", store.idOf("one:1")]]);
    t.equal(find(), store.idOf("one:1"));
    captured.setNames(store, [
      ["docker.io/library/a:1", store.idOf("one:1")],
      [`docker.io/library/${prefix}:latest`, store.idOf("many:1")],
    ]);
    t.equal(find(), store.idOf("many:1"));
    t.end();
  });

  t.test(`${engine}: names of any number and length fit a message`, (t) => {
    const store = copyStore(t, captured);
    const [one, many] = [store.idOf("one:1"), store.idOf("many:1")];
    const long = `docker.io/library/${"x".repeat(1_000_000)}:1`;
    captured.setNames(store, [
      [long, one],
      ...Array.from({ length: MANY_NAMES }, (_, index) => {
        const name = `images.example/n${String(index)}/x:1`;
        return [name, many] as const;
      }),
    ]);
    for (const text of ["many:2", "x:2"]) {
      try {
        store.find(text);
        t.fail("was found");
      } catch (error) {
        const { cause, message } = error as BootError;
        t.ok(cause instanceof Error && cause.message.length < 1000);
        t.ok(message.length < 1000);
      }
    }
    t.end();
  });
}
