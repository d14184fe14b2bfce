import { globSync, readFileSync } from "node:fs";
import {
  parseDeclaration,
  type Declaration,
  type Tier,
} from "./declaration.ts";
import { preparations } from "./prepare.ts";
import { rungs, type Rung } from "./rungs.ts";
import type { Task } from "./schedule.ts";

/** A test file, or something that test files need, to be run. */
export interface RunTask extends Task {
  /** `undefined` for a preparation. */
  readonly rung: Rung | undefined;
}

export interface Selection {
  readonly tasks: readonly RunTask[];
  /** Files that the tier leaves out, and those of which it runs a part. */
  readonly leftOut: readonly string[];
  readonly sampled: readonly string[];
  /** What is wrong with what was asked for, or with a file. */
  readonly problems: readonly string[];
  /** Rungs that were asked for and cannot run, with the reason. */
  readonly skipped: readonly { readonly rung: Rung; readonly reason: string }[];
}

/**
 * Selects test files. A file that is named is run whatever its tier.
 * @param wanted names of rungs, and files; none: all rungs
 */
export function selectFiles(
  wanted: readonly string[],
  tier: Tier,
  reasonToSkip: (rung: Rung) => string | undefined,
): Selection {
  const tasks: RunTask[] = [];
  const leftOut: string[] = [];
  const sampled: string[] = [];
  const problems: string[] = [];
  const skipped: { rung: Rung; reason: string }[] = [];
  const unknown = new Set(wanted);
  for (const [stage, rung] of rungs.entries()) {
    const all = globSync(`test/${rung.name}/**/*.test.ts`).sort();
    const isWhole = wanted.length === 0 || unknown.delete(rung.name);
    const files = all.filter((file) => unknown.delete(file) || isWhole);
    if (files.length === 0) continue;
    const reason = reasonToSkip(rung);
    if (reason !== undefined) {
      skipped.push({ rung, reason });
      continue;
    }
    for (const file of files) {
      const declaration = readDeclaration(file, rung, problems);
      if (declaration === undefined) continue;
      const isNamed = wanted.includes(file);
      if (tier === "first" && declaration.tier === "all" && !isNamed) {
        leftOut.push(file);
        continue;
      }
      if (tier === "first" && declaration.hasSample) sampled.push(file);
      tasks.push(toTask(file, rung, stage, declaration, tier));
    }
  }
  problems.push(
    ...[...unknown].map(
      (name) => `${name}: neither a rung of tests nor a test file`,
    ),
  );
  return {
    tasks: [...planPreparations(tasks, problems), ...tasks],
    ...{ leftOut, sampled, problems, skipped },
  };
}

function readDeclaration(
  file: string,
  rung: Rung,
  problems: string[],
): Declaration | undefined {
  try {
    return parseDeclaration(readFileSync(file, "utf8"), rung.usual);
  } catch (error) {
    problems.push(
      `${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
}

function toTask(
  file: string,
  rung: Rung,
  stage: number,
  { seconds, wholeSeconds, weight, needs, alone }: Declaration,
  tier: Tier,
): RunTask {
  return {
    ...{ name: file, rung, weight, needs, alone },
    // What needs no machine tells soonest that something is wrong; of the rest the longest come first.
    stage: rung.needsRoot ? rungs.length : stage,
    seconds: tier === "all" ? wholeSeconds : seconds,
  };
}

/** What the files need, and what that needs: one after the other, beside the first files. */
function planPreparations(
  files: readonly RunTask[],
  problems: string[],
): RunTask[] {
  const needed = new Set(files.flatMap(({ needs }) => needs));
  // A set goes on with what is added meanwhile.
  for (const name of needed) {
    for (const more of preparations[name]?.needs ?? []) needed.add(more);
  }
  return [...needed].flatMap((name) => {
    const preparation = preparations[name];
    if (preparation === undefined) {
      problems.push(`no such preparation: ${name} (test/runner/prepare.ts)`);
      return [];
    }
    const { seconds, needs } = preparation;
    const task = { name, rung: undefined, stage: -1, weight: 1, seconds };
    return [{ ...task, needs, alone: ["preparation"] }];
  });
}
