import t, { type Test } from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseFinishedBoot } from "../../../runtime/records/boot-record.ts";
import { freshRecord } from "../status/status-data.ts";

t.test("a record of each kind of boot", async (t) => {
  const { rwlayer, limits, subvolumeUuid, isOverlay } = freshRecord;
  const rest = { rwlayer, limits, subvolumeUuid, isOverlay, layers: [] };
  for (const result of ["fresh", "kept", "fallback"]) {
    t.strictSame(parse({ result }), { result, root: rwlayer, ...rest });
  }
  const generation = {
    result: "generation",
    root: `.dockroot/${rwlayer}/generations/7`,
  };
  t.strictSame(parse(generation), { ...generation, ...rest });
  const fallback = { ...generation, result: "fallback" };
  t.strictSame(parse(fallback), { ...fallback, ...rest, root: rwlayer });
  const overlay = { ...fallback, isOverlay: true };
  t.strictSame(parse(overlay), { ...overlay, ...rest, isOverlay: true });
  t.equal(parseFinishedBoot('{"version":1,"result":"failed"}'), undefined);
  t.match(parse({ rwlayer: "a/b c/.d" }), { rwlayer: "a/b c/.d" });
  const bounds = { generations: 1000, fallback: "none", helperTimeoutMs: 1 };
  t.match(parse({ limits: bounds }), { limits: bounds });
});

t.test("what is not valid is refused", async (t) => {
  for (const text of [
    ...["", "{", "null", "5", '"fresh"', "[]", "{}", '{"result":"fresh"}'],
    '{"result":"generation"}',
    `{"__proto__":${JSON.stringify(freshRecord)}}`,
    `${JSON.stringify(freshRecord)}x`,
  ]) {
    refuses(t, text);
  }
  for (const result of ["", "constructor", "FRESH", null, ["fresh"]]) {
    refuses(t, JSON.stringify({ ...freshRecord, result }));
  }
  for (const rwlayer of [
    ...["", "/", ".", "..", "/root", "root/", "a//b", "a/./b", "a/../b"],
    ...["../../etc", ".dockroot", ".dockroot/x", "a\nb", "a\0b", "\uFFFD"],
    ...[null, 5, ["root"], {}],
  ]) {
    refuses(t, JSON.stringify({ ...freshRecord, rwlayer }));
  }
  for (const root of [
    undefined,
    null,
    5,
    "root",
    ".dockroot/x/generations/1",
  ]) {
    refuses(t, JSON.stringify({ ...freshRecord, result: "generation", root }));
  }
  for (const subvolumeUuid of [undefined, null, 5]) {
    refuses(t, JSON.stringify({ ...freshRecord, subvolumeUuid }));
  }
  const { limits } = freshRecord;
  for (const other of [
    ...[null, [], {}, 5],
    ...[-1, 1.5, "1", null, 1001, 1e300].map((generations) => ({
      ...limits,
      generations,
    })),
    ...["", "LAST", null, undefined].map((fallback) => ({
      ...limits,
      fallback,
    })),
    ...[-1, 0, 0.5, "1", null, 1e300].map((helperTimeoutMs) => ({
      ...limits,
      helperTimeoutMs,
    })),
  ]) {
    refuses(t, JSON.stringify({ ...freshRecord, limits: other }));
  }
});

function parse(changes: object) {
  return parseFinishedBoot(JSON.stringify({ ...freshRecord, ...changes }));
}

function refuses(t: Test, text: string): void {
  t.throws(() => parseFinishedBoot(text), BootError, text);
}
