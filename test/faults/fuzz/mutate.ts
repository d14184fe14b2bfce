import type { Random } from "../../../fixtures/random.ts";

/** What parsers stumble over: ends, quotes, escapes, forged lines, numbers out of range. */
const PIECES: readonly [string, ...string[]] = [
  ...(["\0", "\n", "\r\n", "\t", " ", '"', "'", "\\", "/", "..", "=", ","] as [
    string,
    ...string[],
  ]),
  ...["--", "%", "%2F", ":", "@", "-", "_", ".", "{", "}", "[", "]", "null"],
  ...["\ud800", "\udc00", "\u202e", "\u2028", "\ufeff", "\ufffd", "\u3000"],
  ...["\u001b[2J", "\u001b]0;x\u0007", "\u009b2J", "\u007f", "é", "🐳"],
  ...["0", "-1", "1e999", "99999999999999999999", "NaN", "0x10", "\\040"],
  ...["__proto__", "constructor", "toString", '"__proto__":{}', "sha256:"],
  ...["subvol=", "subvolid=5", "LABEL=", "UUID=", "/dev/", "docker_image="],
  ...["dockroot.generations=", "../../etc", "/.dockroot/x", "\tUUID: \t\t\t"],
  ...["\nID 300 gen 1 top level 5 path x", "\n\n", "\nDEVNAME=/dev/x\n"],
];

const MAX_SMALL = 40;
const MAX_REPEATS = 20_000;
const MAX_CHARS = 512 * 1024;

/** A text that is like the samples, or like nothing: what a damaged or hostile source could hold. */
export function makeInput(
  random: Random,
  samples: readonly [string, ...string[]],
): string {
  if (random.oneIn(8)) return makeNoise(random);
  let text = random.pick(samples);
  const changes = 1 + random.below(random.oneIn(4) ? MAX_SMALL : 4);
  for (let change = 0; change < changes; change += 1) {
    text = mutate(random, text, samples).slice(0, MAX_CHARS);
  }
  return text;
}

function mutate(
  random: Random,
  text: string,
  samples: readonly [string, ...string[]],
): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + 1 + random.below(MAX_SMALL));
  const [before, cut, after] = [
    text.slice(0, at),
    text.slice(at, to),
    text.slice(to),
  ];
  switch (random.below(10)) {
    case 0:
      return before;
    case 1:
      return before + after;
    case 2:
      return before + cut + cut + after;
    case 3:
      return before + cut.split("").reverse().join("") + after;
    case 4:
      return before + String.fromCharCode(random.below(0x10000)) + cut + after;
    case 5:
      return before + random.pick(samples).slice(at) + after;
    case 6:
      return random.oneIn(20)
        ? before + repeat(random, cut === "" ? " " : cut) + after
        : text;
    case 7:
      return random.oneIn(20)
        ? before + repeat(random, random.pick(PIECES)) + after
        : text;
    default:
      return before + random.pick(PIECES) + cut + after;
  }
}

function makeNoise(random: Random): string {
  let text = "";
  const pieces = random.below(MAX_SMALL);
  for (let count = 0; count < pieces; count += 1) {
    text += random.oneIn(3)
      ? String.fromCharCode(random.below(0x10000))
      : random.pick(PIECES);
  }
  return random.oneIn(50) ? repeat(random, text) : text;
}

function repeat(random: Random, text: string): string {
  return text.repeat(1 + random.below(MAX_REPEATS)).slice(0, MAX_CHARS);
}
