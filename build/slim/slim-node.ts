import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { run } from "../run.ts";
import { askNameHashes } from "./ask-name-hashes.ts";
import { checkBuiltins, describeBuiltins } from "./describe-builtins.ts";
import { parseElf, type Elf } from "./elf.ts";
import { ignoreEnvironment } from "./ignore-environment.ts";
import { keepHashSeed } from "./keep-hash-seed.ts";
import type { AddressRange } from "./omit-unused.ts";
import { slimBuiltins, type Builtins } from "./slim-builtins.ts";
import { slimExports } from "./slim-exports.ts";
import { slimIcu } from "./slim-icu.ts";
import { slimUnwinding } from "./slim-unwinding.ts";

/**
 * Changes Node: it starts faster, ignores what of the environment it would end over, and, where it is
 * to be slim, lacks what dockroot never uses.
 * @param originalFile Node with its symbol table, which says where things are
 * @param strippedFile the same without it; gets changed
 * @returns the addresses where nothing is any more
 * @throws where anything is not as expected; names the step
 */
export async function changeNode(
  originalFile: string,
  strippedFile: string,
  isSlim: boolean,
): Promise<AddressRange[]> {
  const bytes = await readFile(strippedFile);
  const changed = parseElf(bytes);
  const builtins = isSlim
    ? await slimmingStep("asking Node for its modules", () =>
        describeBuiltins(originalFile),
      )
    : undefined;
  const unused =
    builtins === undefined ? [] : await slim(originalFile, changed, builtins);
  await neededStep("the seed of V8's hashes (keep-hash-seed.ts)", async () => {
    const version = await run([originalFile, "-p", "process.versions.v8"]);
    keepHashSeed(changed, version.trim());
    await writeFile(strippedFile, bytes);
  });
  await neededStep("the environment (ignore-environment.ts)", async () => {
    ignoreEnvironment(changed, await askNameHashes(strippedFile));
    await writeFile(strippedFile, bytes);
  });
  if (builtins !== undefined) {
    await slimmingStep("checking the modules (describe-builtins.ts)", () =>
      checkBuiltins(strippedFile, builtins),
    );
  }
  return unused;
}

async function slim(
  originalFile: string,
  changed: Elf,
  builtins: Builtins,
): Promise<AddressRange[]> {
  const original = parseElf(await readFile(originalFile));
  const unused = [
    await slimmingStep("ICU's data (slim-icu.ts)", () =>
      slimIcu(original, changed),
    ),
    await slimmingStep("the tables for exceptions (slim-unwinding.ts)", () =>
      slimUnwinding(original, changed),
    ),
  ];
  await slimmingStep("Node's modules (slim-builtins.ts)", () => {
    slimBuiltins(changed, builtins);
  });
  await slimmingStep("the exports (slim-exports.ts)", () => {
    slimExports(changed);
  });
  return unused;
}

/** @throws with what was slimmed, and the way to do without it */
export function slimmingStep<T>(
  what: string,
  work: () => T | Promise<T>,
): Promise<T> {
  return buildStep(
    `cannot slim Node: ${what}. "SLIM=0 make build" makes a larger executable without it`,
    work,
  );
}

/** Of a step without which no executable is made. */
function neededStep<T>(what: string, work: () => Promise<T>): Promise<T> {
  return buildStep(
    `cannot change Node: ${what}. See "When Node is updated" in build/README.md`,
    work,
  );
}

async function buildStep<T>(
  message: string,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new Error(message, { cause });
  }
}

/**
 * Differs whenever these sources, or what else made that Node, differ: a Node that others have made is
 * not used again.
 */
export function hashSlimming(...others: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const other of others) hash.update(other).update("\0");
  for (const name of readdirSync(import.meta.dirname).sort()) {
    hash.update(readFileSync(path.join(import.meta.dirname, name)));
  }
  return hash.digest("hex").slice(0, 12);
}
