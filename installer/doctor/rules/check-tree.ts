import { listNames } from "../../../runtime/base/shorten.ts";
import { applyAccountRules } from "../../toplayer/rules/check-accounts.ts";
import type {
  CheckedEntry,
  CheckFacts,
  FinalText,
} from "../../toplayer/rules/check-facts.ts";
import { checkFstab } from "../../toplayer/rules/check-fstab.ts";
import { findProblems } from "../../toplayer/rules/find-problems.ts";
import { findLogins } from "../../toplayer/rules/logins.ts";
import type { Problem } from "../../toplayer/rules/problem.ts";
import { checkStoreMount } from "./check-store-mount.ts";
import type { GeneratorFacts, TreeFacts } from "./facts.ts";
import {
  ok,
  stops,
  unknown,
  warning,
  type Finding,
  type Subject,
} from "./finding.ts";

/** What is found in a tree that becomes root, by itself. */
export function checkTree(tree: TreeFacts): Finding[] {
  return [
    checkInit,
    checkGaps,
    checkModules,
    checkGenerators,
    checkProblems,
    checkStoreMount,
    checkLogins,
  ].flatMap((check) => [...check(tree)]);
}

/** Whether there is something for the kernel to start. */
function* checkInit({ what, initFailure }: TreeFacts): Iterable<Finding> {
  const { message = "", hint = "Install an init into the image." } =
    initFailure ?? {};
  yield initFailure === undefined
    ? ok("init", `${what} has an init`)
    : stops("init", message, hint);
}

/** Whether there are directories in which nothing can be created. */
function* checkGaps({ what, unfilledGaps }: TreeFacts): Iterable<Finding> {
  if (unfilledGaps.length === 0) return;
  yield warning(
    "image",
    `${what}: a build step created btrfs subvolumes in it, and nothing can be created where they were: ${listNames(unfilledGaps)}`,
    "Delete each in the build step that creates it (btrfs subvolume delete), or put an empty directory with the same path into the top layer.",
  );
}

function* checkModules({
  what,
  modules,
  kernels,
}: TreeFacts): Iterable<Finding> {
  if (modules.length === 0) {
    yield stops(
      "kernel",
      `${what} has no kernel modules in /lib/modules`,
      "Install a kernel into the image (Arch: linux; Debian: linux-image-amd64), and boot that kernel.",
    );
    return;
  }
  yield ok("kernel", `${what} has modules for ${modules.join(", ")}`);
  for (const { name, version } of kernels) {
    if (version === undefined || modules.includes(version)) continue;
    yield warning(
      "kernel",
      `${what}: its ${name} is ${version}, for which it has no modules`,
      "Reinstall that kernel's package in the image, or remove the file.",
    );
  }
}

function* checkGenerators({ what, generators }: TreeFacts): Iterable<Finding> {
  if (generators.length === 0) {
    yield unknown(
      "initramfs",
      `${what} has no initramfs generator: the initramfs must come from elsewhere`,
      "Install mkinitcpio, dracut or initramfs-tools in the image, then run dockroot install.",
    );
  }
  const ready = generators.filter(isReady);
  for (const { name } of ready) {
    yield ok(
      "initramfs",
      `${what}: ${name} includes dockroot in the initramfs`,
    );
  }
  if (ready.length > 0) return;
  for (const { name, missing, problem = "" } of generators) {
    yield warning(
      "initramfs",
      missing.length > 0
        ? `${what}: ${name} makes an initramfs without dockroot: there is no ${missing.join(", ")}`
        : `${what}: ${name} is not configured for dockroot: ${problem}`,
      "Run dockroot install in the image.",
    );
  }
}

function isReady({ missing, problem }: GeneratorFacts): boolean {
  return missing.length === 0 && problem === undefined;
}

/** Rules of `toplayer check` that a boot, or who uses the system, hangs on. */
const SUBJECTS: readonly (readonly [rule: RegExp, subject: Subject])[] = [
  [/^fstab-/, "fstab"],
  [
    /^(?:passwd-|shell-|shadow-missing$|accounts-closed$|group-numbers$)/,
    "logins",
  ],
  [
    /^(?:machine-id$|directory-|not-checked$|unreadable$|replaced$)/,
    "top-layer",
  ],
];

/** Who can log in is looked at with more than passwords. */
const LEFT_OUT = "nobody-logs-in";

const ONLY_IN_IMAGE =
  "Only in an image: a PC that boots without dockroot needs its fstab as it is.";

/** What is wrong with the files of the new root. */
function* checkProblems({
  what,
  isItself,
  hasTopLayer,
  check,
}: TreeFacts): Iterable<Finding> {
  const problems = findTreeProblems(check)
    .filter(({ rule }) => rule !== LEFT_OUT)
    .map((problem) => ({ ...problem, subject: subjectOf(problem) }));
  for (const { subject, level, message, remedy } of problems) {
    if (subject === undefined) continue;
    if (isItself && subject === "fstab") {
      // It may be no image at all, and a top layer can bring another fstab.
      const text = `${what}, as an image without a top layer: ${message}`;
      yield warning(subject, text, `${remedy} ${ONLY_IN_IMAGE}`);
      continue;
    }
    const tell = level === "error" ? stops : warning;
    yield tell(subject, `${what}: ${message}`, remedy);
  }
  if (!problems.some(({ subject }) => subject === "fstab")) {
    yield ok("fstab", `${what}: no line of its fstab stops the boot`);
  }
  const others = problems.filter(({ subject }) => subject === undefined);
  for (const alike of Map.groupBy(others, ({ rule }) => rule).values()) {
    const more = alike.length - 1;
    const count =
      more === 0
        ? ""
        : `; dockroot toplayer check finds ${String(more)} more of this kind`;
    for (const { message, remedy } of alike.slice(0, 1)) {
      yield warning("top-layer", `${what}: ${message}${count}`, remedy);
    }
  }
  if (hasTopLayer && problems.length === 0) {
    yield ok("top-layer", `${what}: no problem was found in the top layer`);
  }
}

function subjectOf({ rule }: Problem): Subject | undefined {
  return SUBJECTS.find(([pattern]) => pattern.test(rule))?.[1];
}

/** Rules that look at the image's own accounts, too. */
const OF_IMAGE = new Set(["passwd-root", "passwd-other-root", "shell-missing"]);

/** What `toplayer check` finds, and the same with the image's own files. */
function findTreeProblems(facts: CheckFacts): Problem[] {
  const { texts } = facts;
  const { fstab, passwd } = texts;
  const whole = {
    ...facts,
    texts: {
      ...texts,
      fstab: asBrought(fstab, "/etc/fstab"),
      passwd: asBrought(passwd, "/etc/passwd"),
    },
  };
  return [
    ...findProblems(facts),
    ...(fstab.entry === undefined ? checkFstab(whole) : []),
    ...(passwd.entry === undefined && passwd.text !== undefined
      ? applyAccountRules(whole, ({ rule }) => OF_IMAGE.has(rule))
      : []),
  ];
}

/** The image's file as if a top layer had brought it: rules look at no other. */
function asBrought(text: FinalText, path: string): FinalText {
  if (text.entry !== undefined) return text;
  const entry: CheckedEntry = {
    layer: 0,
    path,
    target: path,
    kind: "file",
    effect: "add",
    through: null,
    replaced: null,
    ofImage: undefined,
    attributes: { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0 },
    isCovered: false,
    isNocow: false,
    refused: undefined,
    holdsSecret: false,
  };
  return { ...text, entry };
}

const SET_PASSWORD =
  "Put the output of openssl passwd -6 into the second field of root's line in the top layer's etc/shadow.";

const LOCKED = "all accounts are locked";

/** Whether anybody can log in: by a password, by a key, or without being asked. */
function* checkLogins({
  what,
  isItself,
  hasTopLayer,
  check,
}: TreeFacts): Iterable<Finding> {
  const logins = findLogins(check);
  const { unchecked, byPassword, byKey, automatic } = logins;
  const nobody = `${what}: nobody can log in`;
  if (unchecked !== undefined) {
    yield unknown(
      "logins",
      `${what}: cannot tell who can log in: ${unchecked}`,
    );
  } else if (byPassword.length > 0) {
    yield ok("logins", `${what}: ${listNames(byPassword)} can log in`);
  } else if (automatic !== undefined) {
    yield ok("logins", `${what}: ${automatic} sets up an automatic login`);
  } else if (byKey.length > 0) {
    yield warning(
      "logins",
      `${what}: no account has a password; ${listNames(byKey)} can log in only over ssh`,
      SET_PASSWORD,
    );
  } else if (logins.unread !== undefined) {
    yield unknown(
      "logins",
      `${what}: ${LOCKED}, but ${logins.unread}: cannot tell whether that allows a login`,
    );
  } else if (isItself || !hasTopLayer) {
    yield warning(
      "logins",
      `${nobody} unless a top layer provides a password: ${LOCKED}`,
      "Run dockroot toplayer init to make a top layer with this machine's accounts.",
    );
  } else if (logins.homesAreMounted) {
    yield warning(
      "logins",
      `${nobody} unless a home directory that is mounted later has an ssh key: ${LOCKED}`,
      SET_PASSWORD,
    );
  } else yield stops("logins", `${nobody}: ${LOCKED}`, SET_PASSWORD);
}
