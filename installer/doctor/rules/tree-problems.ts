import { applyAccountRules } from "../../toplayer/rules/check-accounts.ts";
import type {
  CheckedEntry,
  CheckFacts,
  FinalText,
} from "../../toplayer/rules/check-facts.ts";
import { checkFstab } from "../../toplayer/rules/check-fstab.ts";
import { findProblems } from "../../toplayer/rules/find-problems.ts";
import type { Problem } from "../../toplayer/rules/problem.ts";

/** Rules that look at the image's own accounts, too. */
const OF_IMAGE = new Set(["passwd-root", "passwd-other-root", "shell-missing"]);

/** What is wrong with a new root: what `toplayer check` finds, and with the image's own files. */
export function findTreeProblems(facts: CheckFacts): Problem[] {
  const { texts } = facts;
  const whole = {
    ...facts,
    texts: {
      ...texts,
      fstab: asBrought(texts.fstab, "/etc/fstab"),
      passwd: asBrought(texts.passwd, "/etc/passwd"),
    },
  };
  const ofImage = [
    ...(texts.fstab.entry === undefined ? checkFstab(whole) : []),
    ...(texts.passwd.entry === undefined && texts.passwd.text !== undefined
      ? applyAccountRules(whole, ({ rule }) => OF_IMAGE.has(rule))
      : []),
  ];
  return [...findProblems(facts), ...ofImage];
}

/** The image's file as if a top layer had brought it: rules look at no other. */
function asBrought(text: FinalText, path: string): FinalText {
  if (text.entry !== undefined) return text;
  const entry: CheckedEntry = {
    ...{ layer: 0, path, target: path, kind: "file", effect: "add" },
    ...{ through: null, replaced: null, ofImage: undefined },
    attributes: { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0 },
    isCovered: false,
    isNocow: false,
    refused: undefined,
    holdsSecret: false,
  };
  return { ...text, entry };
}
