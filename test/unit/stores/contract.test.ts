import fs from "fs-extra";
import { execFileSync } from "node:child_process";
import path from "node:path";
import t from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { findImage } from "../../../runtime/stores/find-image.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { fails } from "../fails.ts";
import {
  CONTAINERD_MANY,
  copyStore,
  hexOf,
  PODMAN_IMAGES,
  STORES,
} from "./captured-stores.ts";

// What holds for each engine's store, tried on one that the engine has made.

/** Of each file: a list's ends are all alike. */
const MAX_CUTS = 300;

const MANY_NAMES = 20_000;

for (const captured of [...STORES, CONTAINERD_MANY]) {
  const { engine } = captured;

  t.test(`${captured.captured}: each reference leads to its image`, (t) => {
    const store = copyStore(t, captured);
    const listed = store.reader().listNames();
    for (const { id, names, others, layers } of store.images) {
      t.ok(
        names.every((name) => listed.includes(name)),
        "its names are listed",
      );
      const count = typeof layers === "number" ? layers : layers.length;
      if (count === 0) continue;
      const hex = hexOf(id);
      const start = hex.slice(0, 12);
      const ids = [...new Set(store.reader().listIds())].map(hexOf);
      const lengths = [1, 2, 3, 4, 5].filter(
        (length) =>
          ids.filter((other) => other.startsWith(hex.slice(0, length)))
            .length === 1,
      );
      const starts = [start, `sha256:${start}`].concat(
        lengths.map((length) => hex.slice(0, length)),
      );
      for (const text of [...names, ...others, id, hex, ...starts]) {
        const found = store.find(text);
        t.equal(found.id, id, text);
        const printed = formatImageReference(parseImageReference(text), found);
        t.equal(store.find(printed).id, id, `${text}, printed as ${printed}`);
        t.equal(found.diffIds.length, count, text);
        if (layers !== count) t.strictSame(found.diffIds, layers, text);
        t.ok(store.subvolumes.includes(path.basename(found.source)), text);
      }
      const { source, diffIds } = store.find(id);
      const stored = store.layersOf(id);
      t.strictSame(
        stored.map(({ diffId }) => diffId),
        diffIds,
      );
      t.equal(stored[0]?.chainId, diffIds[0]);
      t.equal(stored.at(-1)?.cacheId, path.basename(source));
      t.ok(stored.every(({ cacheId }) => store.subvolumes.includes(cacheId)));
      t.ok(stored.every(({ sizeBytes }) => sizeBytes > 0));
    }
    t.ok(store.reader().listIds().length > 0);
    t.end();
  });

  if (captured === CONTAINERD_MANY) continue;

  t.test(`${engine}: an image without layers is no system`, (t) => {
    const { find, idOf } = copyStore(t, captured);
    for (const text of ["empty:1", idOf("empty:1")]) {
      fails(t, () => find(text), "IMAGE_EMPTY", /no layers/);
    }
    t.end();
  });

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
    fs.removeSync(store.file("image/btrfs/imagedb"));
    if (engine === "podman") fs.writeJsonSync(store.file(PODMAN_IMAGES), []);
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

  t.test(`${engine}: a file that is cut off is never believed`, (t) => {
    const store = copyStore(t, captured);
    const whole = store.find("many:1");
    for (const name of captured.listFiles(store)) {
      const file = store.file(name);
      const content = fs.readFileSync(file);
      const isDatabase = name.endsWith(".db");
      const { length: end } = isDatabase
        ? content
        : content.toString("utf8").trimEnd();
      const step = Math.ceil(end / MAX_CUTS);
      for (let length = 0; length < end; length += step) {
        fs.writeFileSync(file, content.subarray(0, length));
        try {
          // What is cut off of a database may be what was never used.
          const found = store.find("many:1");
          const isSame = found.id === whole.id && found.source === whole.source;
          if (!isDatabase || !isSame) {
            t.fail(`${name} cut off at ${String(length)} was believed`);
          }
        } catch (error) {
          if (!(error instanceof BootError)) throw error;
          t.match(error.code, captured.cutOff, `${name} ${String(length)}`);
        }
      }
      fs.rmSync(file);
      t.throws(() => store.find("many:1"), { name: "BootError" }, name);
      fs.writeFileSync(file, content);
    }
    t.strictSame(store.find("many:1"), whole);
    t.end();
  });

  t.test(`${engine}: other content than its digest says is damage`, (t) => {
    const store = copyStore(t, captured);
    const files = captured
      .listFiles(store)
      .filter((name) => /\/=?[\w=]{64,}$/.test(name));
    t.ok(files.length > 0);
    for (const name of files) {
      const content = fs.readFileSync(store.file(name), "utf8");
      fs.writeFileSync(store.file(name), `${content} `);
      fails(
        t,
        () => store.find("many:1"),
        "STORE_DAMAGED",
        /does not match the sha256/,
      );
      fs.writeFileSync(store.file(name), content);
    }
    t.end();
  });

  t.test(`${engine}: what is no file is damage`, (t) => {
    const store = copyStore(t, captured);
    for (const name of captured.listFiles(store)) {
      const file = store.file(name);
      const content = fs.readFileSync(file);
      fs.removeSync(file);
      execFileSync("mkfifo", [file]);
      fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a FIFO/);
      fs.removeSync(file);
      fs.mkdirSync(file);
      fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a directory/);
      fs.removeSync(file);
      fs.writeFileSync(file, content);
    }
    t.end();
  });

  t.test(`${engine}: a tree that is gone is missing`, (t) => {
    const { find, file } = copyStore(t, captured);
    fs.rmdirSync(file(path.relative(engine, find("many:1").source)));
    fails(t, () => find("many:1"), "SOURCE_MISSING", /there is no subvolume/);
    t.end();
  });

  t.test(`${engine}: a part that is mounted elsewhere is told`, (t) => {
    const { subvolumes, directories } = captured;
    for (const part of [...directories, subvolumes, path.dirname(subvolumes)]) {
      if (part === ".") continue;
      const { find, file } = copyStore(t, captured);
      fs.emptyDirSync(file(part));
      try {
        find("many:1");
        t.fail(`${part} is empty`);
      } catch (error) {
        const { message, hint = "" } = error as BootError;
        t.match(message, `${engine}/${part} is empty on this filesystem`);
        t.notMatch(hint, /pull/);
        t.match(hint, /Move what is mounted there/);
      }
      // The whole of it stands beside the store.
      const other = file("../other");
      const { file: whole } = copyStore(t, captured);
      fs.moveSync(whole(part), other);
    }
    t.end();
  });

  t.test(`${engine}: a link is followed inside the filesystem`, (t) => {
    for (const name of captured.directories) {
      const store = copyStore(t, captured);
      const whole = store.find("many:1");
      // Where it is on the filesystem, not on the machine.
      fs.moveSync(store.file(name), store.file("../elsewhere/it"));
      fs.symlinkSync("/elsewhere/it", store.file(name));
      t.strictSame(store.find("many:1"), whole);
    }
    t.end();
  });

  t.test(`${engine}: a link out of the filesystem leads nowhere`, (t) => {
    const files = captured.listFiles(copyStore(t, captured));
    const places = [
      ...captured.directories,
      captured.subvolumes,
      ...files,
      ...files.map((file) => path.dirname(file)),
    ];
    for (const name of new Set(places)) {
      for (const isAbsolute of [true, false]) {
        const store = copyStore(t, captured);
        const outside = fs.mkdtempSync(path.join(t.testdirName, "../outside-"));
        t.teardown(() => {
          fs.removeSync(outside);
        });
        const [link, target] = [store.file(name), path.join(outside, "valid")];
        fs.moveSync(link, target);
        fs.symlinkSync(
          isAbsolute ? target : path.relative(path.dirname(link), target),
          link,
        );
        t.throws(() => store.find("many:1"), { name: "BootError" }, name);
      }
    }
    t.end();
  });

  t.test(`${engine}: a store by another driver is named`, (t) => {
    const [name, content, called] = captured.otherDriver;
    const topLevel = fs.mkdtempSync(path.join(t.testdir(), "disk-"));
    fs.outputFileSync(path.join(topLevel, engine, name), content);
    const host = hostWithSubvolumes("btrfs/subvolumes");
    const store = openStore({ host, topLevel, path: engine });
    const find = () => store.find(parseImageReference("x"));
    fails(t, find, "STORE_UNSUPPORTED", called);
    t.end();
  });
}
