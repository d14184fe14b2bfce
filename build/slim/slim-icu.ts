import { findSymbol, objectBytes, type Elf } from "./elf.ts";
import type { AddressRange } from "./omit-unused.ts";
import {
  formatIcuPackage,
  IcuPackageError,
  parseIcuPackage,
} from "./icu-package.ts";

/**
 * Leaves of ICU's data what the root locale and English need. The rest becomes zeros, behind a
 * package that is as complete as before but has fewer items. ICU answers for another locale as for a
 * locale that it never had: with the root's data.
 * @param named the same program, with its symbols
 * @param slimmed gets changed
 * @returns where nothing is any more
 */
export function slimIcu(named: Elf, slimmed: Elf): AddressRange {
  const symbol = findSymbol(named, /^icudt\d+_dat$/);
  const place = objectBytes(slimmed, ".rodata", symbol);
  if (!place.equals(objectBytes(named, ".rodata", symbol)))
    throw new IcuPackageError("the data is not where the symbol says");
  const { header, items } = parseIcuPackage(place);
  const kept = items.filter(({ name }) => isNeeded(name));
  requireRoots(kept.map(({ name }) => name));
  const smaller = formatIcuPackage({ header, items: kept });
  parseIcuPackage(smaller);
  place.fill(0);
  smaller.copy(place);
  return {
    start: symbol.address + smaller.length,
    end: symbol.address + symbol.size,
  };
}

/** Whether ICU needs an item of this name to speak English. */
export function isNeeded(itemName: string): boolean {
  const [, tree = "", file = ""] =
    /^[^/]+\/(.*\/)?([^/]+)$/.exec(itemName) ?? [];
  if (NEVER_OPENED.test(file) || tree === "translit/") return false;
  return !LOCALE.test(file) || /^en[_.]/.test(file);
}

/** `de.res`, `zh_Hant_HK.res`, `de__PHONEBOOK.res`; not `pool.res`, `root.res` or `res_index.res`. */
const LOCALE = /^[a-z]{2,3}(_([A-Z][a-z]{3}|[A-Z0-9]*))*\.res$/;

/**
 * Converters for legacy character sets, dictionaries for where words end in Chinese, Thai and the
 * like, profiles of stringprep, characters that look alike, and the names of characters: ICU reports
 * that they are absent, and what asked for them goes on without or throws.
 */
const NEVER_OPENED = /\.(cnv|dict|spp|cfu)$|^unames\.icu$/;

const TREES = ["", "coll/", "curr/", "lang/", "region/", "unit/", "zone/"];

/** Each tree of locales keeps the root of all of them, and English. */
function requireRoots(itemNames: readonly string[]): void {
  const files = new Set(
    itemNames.map((name) => name.slice(name.indexOf("/") + 1)),
  );
  for (const tree of TREES) {
    for (const name of ["root.res", "en.res", "res_index.res"]) {
      if (!files.has(`${tree}${name}`))
        throw new IcuPackageError(`it has no ${tree}${name}`);
    }
  }
}
