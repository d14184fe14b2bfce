import fs from "fs-extra";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import t from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import type { FoundImage } from "../../../runtime/stores/store.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { leafOf } from "../../leaf-of.ts";
import { fails } from "../fails.ts";
import {
  CONTAINERD_MANY,
  copyStore,
  hexOf,
  OVERLAY_STORES,
  STORES,
} from "./captured-stores.ts";

// What holds for each engine's store, tried on one that the engine has made.

/** Of each file: a list's ends are all alike. */
const MAX_CUTS = { btrfs: 300, overlay: 100 };

/** Of the layers that an image is, if so. */
function directoriesOf({ tree }: FoundImage): string[] | undefined {
  return tree.kind === "layers"
    ? tree.layers.map(({ directory }) => directory)
    : undefined;
}

for (const captured of [...STORES, CONTAINERD_MANY]) {
  const { engine, captured: name } = captured;

  t.test(`${name}: each reference leads to its image`, (t) => {
    const store = copyStore(t, captured);
    const listed = store.reader().listNames();
    for (const { id, names, others, layers, directories } of store.images) {
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
        t.strictSame(
          directoriesOf(found),
          directories?.map((directory) => path.join(engine, directory)),
          text,
        );
        t.ok(store.trees.includes(leafOf(found, engine)), text);
      }
      const found = store.find(id);
      const { diffIds } = found;
      const stored = store.layersOf(id);
      t.strictSame(
        stored.map(({ diffId }) => diffId),
        diffIds,
      );
      t.equal(stored[0]?.chainId, diffIds[0]);
      const isIn = (directory: string, cacheId = "/") =>
        directory.split("/").includes(cacheId);
      t.ok(isIn(leafOf(found), stored.at(-1)?.cacheId));
      for (const { cacheId } of stored) {
        t.ok(store.trees.some((tree) => isIn(tree, cacheId)));
      }
      t.ok(stored.every(({ sizeBytes }) => sizeBytes > 0));
    }
    t.ok(store.reader().listIds().length > 0);
    t.end();
  });

  if (captured === CONTAINERD_MANY) continue;

  t.test(`${name}: an image without layers is no system`, (t) => {
    const { find, idOf } = copyStore(t, captured);
    for (const text of ["empty:1", idOf("empty:1")]) {
      fails(t, () => find(text), "IMAGE_EMPTY", /no layers/);
    }
    t.end();
  });

  t.test(`${name}: a file that is cut off is never believed`, (t) => {
    const store = copyStore(t, captured);
    const whole = store.find("many:1");
    const isOverlay = OVERLAY_STORES.includes(captured);
    const maxCuts = isOverlay ? MAX_CUTS.overlay : MAX_CUTS.btrfs;
    for (const name of captured.listFiles(store)) {
      const file = store.file(name);
      const content = fs.readFileSync(file);
      const isDatabase = name.endsWith(".db");
      const { length: end } = isDatabase
        ? content
        : content.toString("utf8").trimEnd();
      const step = Math.ceil(end / maxCuts);
      for (let length = 0; length < end; length += step) {
        fs.writeFileSync(file, content.subarray(0, length));
        try {
          // What is cut off of a database may be what was never used.
          const found = store.find("many:1");
          const isSame = isDeepStrictEqual(found, whole);
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

  t.test(`${name}: other content than its digest says is damage`, (t) => {
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

  t.test(`${name}: what is no file is damage`, (t) => {
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

  t.test(`${name}: a tree that is gone is missing`, (t) => {
    const { find, file } = copyStore(t, captured);
    const found = find("many:1");
    for (const directory of directoriesOf(found) ?? [leafOf(found)]) {
      const place = file(path.relative(engine, directory));
      fs.rmdirSync(place);
      const missing = /there is no (?:subvolume|directory)/;
      fails(t, () => find("many:1"), "SOURCE_MISSING", missing);
      fs.mkdirSync(place);
    }
    t.end();
  });

  t.test(`${name}: a part that is mounted elsewhere is told`, (t) => {
    const { trees, directories } = captured;
    for (const part of [...directories, trees, path.dirname(trees)]) {
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

  t.test(`${name}: a link is followed inside the filesystem`, (t) => {
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

  t.test(`${name}: a link out of the filesystem leads nowhere`, (t) => {
    const files = captured.listFiles(copyStore(t, captured));
    const places = [
      ...captured.directories,
      captured.trees,
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

  t.test(`${name}: a store by another driver is named`, (t) => {
    const [name, content, called] = captured.otherDriver;
    const topLevel = fs.mkdtempSync(path.join(t.testdir(), "disk-"));
    fs.outputFileSync(path.join(topLevel, engine, name), content);
    const host = hostWithSubvolumes(undefined);
    const store = openStore({ host, topLevel, path: engine });
    const find = () => store.find(parseImageReference("x"));
    fails(t, find, "STORE_UNSUPPORTED", called);
    t.end();
  });
}
