import { execFileSync, type ExecFileSyncOptions } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { makeExecutable } from "../../build/make-executable.ts";
import { findSymbol, objectBytes, parseElf } from "../../build/slim/elf.ts";
import { parseIcuPackage } from "../../build/slim/icu-package.ts";
import type { Answer } from "./intl/answers.ts";

// Intl in the executable, which has ICU's data for English alone, next to a Node that has all of it.

const entry = path.join(import.meta.dirname, "intl/main.ts");

type Ask = (...args: string[]) => Answer[];

function asker(command: string, ...first: string[]): Ask {
  return (...args) => {
    const options: ExecFileSyncOptions = {
      env: { LC_ALL: "de_DE.UTF-8", TZ: "Asia/Kathmandu" },
      maxBuffer: 1e9,
      timeout: scaleTimeout(60_000),
    };
    // Whatever ends the process but its own end throws.
    const answer = execFileSync(command, [...first, ...args], options);
    return JSON.parse(answer.toString()) as Answer[];
  };
}

/** The calls that the two answer differently. */
function findDifferences(
  ours: readonly Answer[],
  theirs: readonly Answer[],
): string[] {
  const known = new Map(theirs);
  return ours
    .filter(([call, value]) => known.get(call) !== value)
    .map(([call]) => call);
}

function findThrows(answers: readonly Answer[]): string[] {
  return answers
    .filter(([, value]) => value.startsWith("throws"))
    .map(([call]) => call);
}

/** All locales that ICU knows, as Intl spells them. */
function listLocales(): string[] {
  const node = parseElf(readFileSync(process.execPath));
  const data = objectBytes(node, ".rodata", findSymbol(node, /^icudt\d+_dat$/));
  const name = /^\w+\/([a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|\d{3}))?)\.res$/;
  return parseIcuPackage(data).items.flatMap((item) => {
    const locale = name.exec(item.name)?.[1];
    return locale === undefined ? [] : [locale.replaceAll("_", "-")];
  });
}

t.test("Intl", async (t) => {
  const executable = path.join(t.testdir(), "intl");
  await makeExecutable(entry, executable);
  const ours = asker(executable);
  const theirs = asker(process.execPath, entry);
  const locales = listLocales();

  t.test("answers in English as ever, but for words of Asian scripts", (t) => {
    const english = locales.filter((locale) => /^en\b/.test(locale));
    t.ok(english.includes("en-GB"));
    for (const args of [
      ["at-length", "en"],
      ["briefly", ...english],
      ["without-locale"],
    ]) {
      const answers = ours(...args);
      t.ok(answers.length > 100);
      t.strictSame(
        findDifferences(answers, theirs(...args)).filter(
          (call) =>
            !/^(words|Segmenter \[ 'word'|supportedValuesOf collation)/.test(
              call,
            ),
        ),
        [],
      );
    }
    t.end();
  });

  t.test("never ends the process, whatever the locale", (t) => {
    t.ok(locales.length > 900);
    const unknown = [
      "tlh",
      "qaa-Zzzz-ZZ",
      "de-u-co-phonebk-nu-hans-ca-chinese",
    ];
    const answers = ours("briefly", ...locales, ...unknown);
    t.ok(answers.length > 15 * locales.length);
    t.strictSame(findThrows(answers), []);
    for (const locale of ["ar", "und"]) {
      t.strictSame(
        findThrows(ours("at-length", locale)),
        findThrows(theirs("at-length", locale)),
        `${locale}: no call throws that did not`,
      );
    }
    t.end();
  });

  t.test("encodings that are gone are refused", (t) => {
    const answers = ours("encodings");
    t.strictSame(
      findDifferences(answers, theirs("encodings")).filter(
        (call) => new Map(answers).get(call) !== "throws RangeError",
      ),
      [],
    );
    const decoded = new Map(answers).get("TextDecoder utf-16be false");
    t.match(decoded, "utf-16be");
    t.end();
  });
  t.end();
});
