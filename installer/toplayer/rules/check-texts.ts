import { TEXT_FILES, type CheckFacts, type TextFile } from "./check-facts.ts";
import type { Problem } from "./problem.ts";

/** Without one of these nothing can be said of the others. */
export const ACCOUNT_FILES = ["passwd", "group", "shadow", "gshadow"] as const;

/** What cannot be looked at: links, FIFOs, and what is far too large. */
export function checkTexts({ texts }: CheckFacts): Problem[] {
  return TEXT_FILES.flatMap((file): Problem[] => {
    const { entry, unchecked } = texts[file];
    if (unchecked === undefined) return [];
    const name = entry?.path ?? `the image's /etc/${file}`;
    return [
      {
        ...{ level: "warning", rule: "not-checked" },
        ...{ layer: entry?.layer ?? null, path: entry?.path ?? null },
        message: `${name} ${unchecked}: ${isOfAccounts(file) ? "the accounts are" : "it is"} not checked`,
        remedy: "Put a file there that programs can read.",
      },
    ];
  });
}

function isOfAccounts(file: TextFile): boolean {
  return (ACCOUNT_FILES as readonly TextFile[]).includes(file);
}
