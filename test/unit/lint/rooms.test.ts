import path from "node:path";
import { ESLint, Linter } from "eslint";
import t from "tap";

const PROJECT = path.resolve(import.meta.dirname, "../../..");
const eslint = new ESLint({ cwd: PROJECT });

/** What eslint says of a text in the place of a file of the project. */
async function lint(file: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(text, {
    filePath: path.join(PROJECT, file),
  });
  return (result?.messages ?? []).map(({ message }) => message);
}

/** Each rule by folder, with a text that breaks it and a file in whose place the text breaks it. */
const broken: readonly (readonly [
  rule: string,
  file: string,
  text: string,
  message: RegExp,
])[] = [
  [
    "a pure room imports no values from one that is not",
    "runtime/options/options.ts",
    'import { readSubvolume } from "../disk/btrfs.ts";\n',
    /runtime\/options is pure: it imports no values from runtime\/disk/,
  ],
  [
    "a pure room opens no files",
    "runtime/plan/plan.ts",
    'import fs from "node:fs";\n',
    /runtime\/host is the only door to the machine/,
  ],
  [
    "rules of doctor open no files",
    "installer/doctor/rules/check-system.ts",
    'import { readFile } from "node:fs/promises";\n',
    /runtime\/host is the only door to the machine/,
  ],
  [
    "nothing imports from a room above its own",
    "runtime/disk/btrfs.ts",
    'import { boot } from "../boot/boot.ts";\n',
    /runtime\/disk imports no values from runtime\/boot, which stands above it/,
  ],
  [
    "nothing exports from a room above its own",
    "installer/system/image.ts",
    'export { gatherInstall } from "../install/gather-install.ts";\n',
    /installer\/system imports no values from installer\/install/,
  ],
  [
    "runtime imports nothing from installer, not even types",
    "runtime/boot/boot.ts",
    'import type { Manifest } from "../../installer/install/plan/records.ts";\n',
    /runtime never imports installer/,
  ],
  [
    "runtime starts no processes outside runtime/host",
    "runtime/disk/mounts.ts",
    'import { spawn } from "node:child_process";\n',
    /runtime\/host is the only door to the machine/,
  ],
  [
    "what is shipped imports no tests",
    "installer/install/lock.ts",
    'import { run } from "../../fixtures/run.ts";\n',
    /What is shipped does not import what builds or tests it/,
  ],
  [
    "main.ts alone reads the arguments",
    "installer/system/image.ts",
    "export const words = process.argv;\n",
    /main\.ts alone does this/,
  ],
];

for (const [rule, file, text, message] of broken) {
  t.test(rule, async (t) => {
    const messages = await lint(file, text);
    t.ok(
      messages.some((each) => message.test(each)),
      messages.join("\n") || "nothing was found",
    );
  });
}

t.test("types may come from everywhere", async (t) => {
  const text =
    'import type { Host } from "../host/host.ts";\nexport type It = Host;\n';
  t.strictSame(await lint("runtime/plan/plan.ts", text), []);
});

t.test("a file outside of all rooms is refused", async (t) => {
  const rule: unknown = await import(`${PROJECT}/eslint-rooms.js`);
  const messages = new Linter({ cwd: PROJECT }).verify(
    "export {};\n",
    {
      files: ["**/*.ts"],
      plugins: { dockroot: { rules: rule as ESLint.Plugin["rules"] } },
      rules: { "dockroot/rooms": "error" },
    },
    path.join(PROJECT, "runtime/loose.ts"),
  );
  t.match(messages[0]?.message, /runtime\/loose\.ts is in no room/);
  t.end();
});
