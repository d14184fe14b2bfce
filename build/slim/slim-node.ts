import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { run } from "../run.ts";
import { askNameHashes } from "./ask-name-hashes.ts";
import { checkBuiltins, describeBuiltins } from "./describe-builtins.ts";
import { parseElf } from "./elf.ts";
import { ignoreEnvironment } from "./ignore-environment.ts";
import { keepHashSeed } from "./keep-hash-seed.ts";
import type { AddressRange } from "./omit-unused.ts";
import { slimBuiltins } from "./slim-builtins.ts";
import { slimExports } from "./slim-exports.ts";
import { slimIcu } from "./slim-icu.ts";
import { slimUnwinding } from "./slim-unwinding.ts";

/**
 * Blanks what dockroot never uses of Node, and what makes it slow to start, and has it ignore what of
 * the environment it would end over.
 * @param originalFile Node with its symbol table, which says where things are
 * @param strippedFile the same without it; gets changed
 * @returns the addresses where nothing is any more
 * @throws where anything is not as expected
 */
export async function slimNode(
  originalFile: string,
  strippedFile: string,
): Promise<AddressRange[]> {
  const original = parseElf(await readFile(originalFile));
  const bytes = await readFile(strippedFile);
  const slimmed = parseElf(bytes);
  const builtins = await describeBuiltins(originalFile);
  const unused = [slimIcu(original, slimmed), slimUnwinding(original, slimmed)];
  slimBuiltins(slimmed, builtins);
  slimExports(slimmed);
  const v8Version = await run([originalFile, "-p", "process.versions.v8"]);
  keepHashSeed(slimmed, v8Version.trim());
  await writeFile(strippedFile, bytes);
  ignoreEnvironment(slimmed, await askNameHashes(strippedFile));
  await writeFile(strippedFile, bytes);
  await checkBuiltins(strippedFile, builtins);
  return unused;
}

/**
 * Differs whenever these sources, or what else made a slim Node, differ: a Node that others have made
 * is not used again.
 */
export function hashSlimming(...others: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const other of others) hash.update(other).update("\0");
  for (const name of readdirSync(import.meta.dirname).sort()) {
    hash.update(readFileSync(path.join(import.meta.dirname, name)));
  }
  return hash.digest("hex").slice(0, 12);
}
