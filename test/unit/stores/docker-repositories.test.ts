import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { createRandom, type Random } from "../../../fixtures/random.ts";
import { isRecord } from "../../../runtime/base/json-values.ts";
import { pickRepository } from "../../../runtime/stores/formats/docker-repositories.ts";

// What is picked from the text has to be what JSON.parse finds, whatever the text is.

const SEED = 7;
const TEXTS = 50_000;
const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/docker-20.10.24-btrfs/image/btrfs/repositories.json",
);

const PLAIN = ["a", "b", "c", "d", "a/b", "a.b:5/c", "a:1", "1"] as const;
const ODD: readonly [string, ...string[]] = [
  ...(["Repositories", "__proto__", "true", "é", "\u2028", "\ufeff"] as const),
  ...[":", ",", "{", "}", '"', "\\", "\n", "", '":{', '"a":{', "},", ":{"],
  ...["[::1]:5/a", "a}", "{a", "a,", "\u0000", "\ud800"],
];
const TOKENS: readonly [string, ...string[]] = [
  ...(['"', "{", "}", "[", "]", ":", ",", "\\", " ", "\n", "0", "é"] as const),
  ...['":{', '"a":{', '"a:1":"x"', "},", "}}", "\\u0061", '\\"', "null"],
];

t.test(
  "each repository of a store is found in a text as Docker writes it",
  (t) => {
    const all = repositoriesIn(readFileSync(CAPTURED, "utf8"));
    // What was captured has got white space since.
    const text = JSON.stringify({ Repositories: all });
    t.ok(Object.keys(all).length > 1);
    for (const [name, references] of Object.entries(all)) {
      t.strictSame(pickRepository(text, name), { [name]: references });
    }
    t.strictSame(pickRepository(text, "no-such-name"), {});
    t.end();
  },
);

t.test("a text of 32 MiB is looked at without an error", (t) => {
  const count = 32 * 2 ** 17;
  const small = '"":"",'.repeat(count / 8);
  for (const many of [small, '"":{"":""},'.repeat(count / 16)]) {
    const text = many.startsWith('"":{')
      ? `{"Repositories":{${many}"a":{"a:1":"x"}}}`
      : `{"Repositories":{"a":{${many}"a:1":"x"}}}`;
    t.same(Object.keys(pickRepository(text, "a")), ["a"]);
    t.strictSame(pickRepository(text.slice(0, -1), "a"), {});
  }
  const endless = '{"Repositories":{"a":{"a:1":"'.padEnd(count);
  t.strictSame(pickRepository(endless, "a"), {});
  t.end();
});

const hostile: readonly [what: string, text: string, name: string][] = [
  ["cut off behind it", '{"Repositories":{"a":{"a:1":"x"}', "a"],
  ["with more behind it", '{"Repositories":{"a":{"a:1":"x"}}}}', "a"],
  ["white space", '{"Repositories": {"a":{"a:1":"x"}}}', "a"],
  ["a line's end", '{"Repositories":{"a":{"a:1":"x"}}}\n', "a"],
  ["a name twice", '{"Repositories":{"a":{"a:1":"x"},"a":{"a:1":"y"}}}', "a"],
  [
    "a name twice, once with an escape",
    String.raw`{"Repositories":{"a":{"a:1":"x"},"\u0061":{"a:1":"y"}}}`,
    "a",
  ],
  [
    "a name in a text",
    String.raw`{"Repositories":{"b":{"b:1":"\"a\":{"}}}`,
    "a",
  ],
  ["a name too deep", '{"Repositories":{"b":{"a":{"a:1":"x"}}}}', "a"],
  ["a name elsewhere", '{"Others":{"a":{"a:1":"x"}},"Repositories":{}}', "a"],
  ["two objects", '{"Repositories":{},"Others":{"a":{"a:1":"x"}}}', "a"],
  ["a reference that is no text", '{"Repositories":{"a":{"a:1":1}}}', "a"],
  ["a name that is none", '{"Repositories":{"x":{"y":":{"}}}', ":"],
  ["a name that is none", '{"Repositories":{"x":{"y":",","z":":{"}}}', ","],
  ["the outer name", '{"Repositories":{"a":{"a:1":"x"}}}', "Repositories"],
  ["no name", '{"Repositories":{"":{"a:1":"x"}}}', ""],
  ["a comma too many", '{"Repositories":{"a":{"a:1":"x",}}}', "a"],
  ["a control character", '{"Repositories":{"a":{"a:1":"\u0001"}}}', "a"],
];

for (const [what, text, name] of hostile) {
  t.test(`${what} is left to JSON.parse: ${JSON.stringify(text)}`, (t) => {
    t.strictSame(pickRepository(text, name), {});
    t.end();
  });
}

t.test("nothing is picked that JSON.parse does not find", (t) => {
  const random = createRandom(SEED);
  let picked = 0;
  let refused = 0;
  for (let made = 0; made < TEXTS; made += 1) {
    const text = makeText(random);
    const name = random.pick(random.oneIn(4) ? ODD : PLAIN);
    const found = pickRepository(text, name);
    if (!Object.hasOwn(found, name)) {
      refused += 1;
      continue;
    }
    picked += 1;
    const all = repositoriesIn(text);
    if (
      Object.keys(found).length !== 1 ||
      !Object.hasOwn(all, name) ||
      JSON.stringify(found[name]) !== JSON.stringify(all[name])
    ) {
      t.fail(`${JSON.stringify(name)} in ${text}`);
    }
  }
  t.comment(`${String(picked)} picked, ${String(refused)} left`);
  t.ok(picked > TEXTS / 20);
  t.ok(refused > TEXTS / 20);
  t.end();
});

/** As JSON.parse has it; throws where it is none. */
function repositoriesIn(text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(text);
  const all = isRecord(parsed) ? parsed["Repositories"] : undefined;
  if (!isRecord(all)) throw new Error(`no repositories: ${text}`);
  return all;
}

/** As Docker writes it, or about so. */
function makeText(random: Random): string {
  const isOdd = random.oneIn(2);
  const text = () => random.pick(isOdd && random.oneIn(12) ? ODD : PLAIN);
  /** Written by hand: of JavaScript's own, no object has a name twice. */
  const object = (content: () => string): string => {
    if (isOdd && random.oneIn(30)) return "{}";
    const members = Array.from({ length: 1 + random.below(4) }, () => {
      return `${JSON.stringify(text())}:${content()}`;
    });
    return `{${members.join(",")}}`;
  };
  const value = (depth: number): string => {
    if (!isOdd || !random.oneIn(60)) return JSON.stringify(text());
    return random.oneIn(2) && depth < 3
      ? object(() => value(depth + 1))
      : random.pick(["1", "null", "true", '["a"]', "[]"]);
  };
  const references = () =>
    isOdd && random.oneIn(30) ? value(0) : object(() => value(0));
  let all =
    isOdd && random.oneIn(30)
      ? object(() => object(references))
      : `{"Repositories":${object(references)}}`;
  if (random.oneIn(3)) {
    for (let changes = 1 + random.below(2); changes > 0; changes -= 1) {
      all = change(all, random);
    }
  }
  return all;
}

function change(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(12));
  return random.pick([
    () => text.slice(0, at),
    () => text.slice(0, at) + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(to),
    () => text.slice(0, at) + random.pick(TOKENS) + text.slice(at),
    () => text.slice(0, at) + random.pick(TOKENS) + text.slice(at + 1),
    () => text.slice(0, to) + text.slice(at, to) + text.slice(to),
    () => text + text.slice(at),
  ])();
}
