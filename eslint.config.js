import { pureRooms, rooms } from "./eslint-rooms.js";
import tseslint from "typescript-eslint";

/**
 * Who may import what (design, section 5). A pattern is matched against the text of the import.
 */
const forbidImports = (...groups) => [
  "error",
  {
    patterns: groups.map(({ group, message, ...rest }) => ({
      ...rest,
      group,
      message,
    })),
  },
];

const notProduct = {
  group: ["**/fixtures/**", "**/test/**", "**/build/**", "**/bench/**"],
  message: "What is shipped does not import what builds or tests it.",
};
const installer = {
  group: ["**/installer/**"],
  message:
    "runtime never imports installer: the boot path must not load yargs.",
};
const doors = {
  group: [
    ...[
      "fs",
      "fs/promises",
      "child_process",
      "net",
      "http",
      "worker_threads",
    ].flatMap((name) => [`node:${name}`, name]),
    "fs-extra",
  ],
  message: "runtime/host is the only door to the machine.",
};
const coreRules = [
  "eqeqeq",
  "no-async-promise-executor",
  "no-cond-assign",
  "no-constant-condition",
  "no-control-regex",
  "no-empty",
  "no-empty-character-class",
  "no-loss-of-precision",
  "no-misleading-character-class",
  "no-unsafe-finally",
  "no-unsafe-optional-chaining",
  "no-useless-escape",
];

export default tseslint.config(
  { ignores: ["node_modules/", "dist/", ".cache/", ".tap/"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/restrict-template-expressions": "error",
      "@typescript-eslint/return-await": [
        "error",
        "error-handling-correctness-only",
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-unnecessary-condition": "error",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { varsIgnorePattern: "^_", argsIgnorePattern: "^_" },
      ],
      "@typescript-eslint/consistent-type-imports": [
        "error",
        { fixStyle: "inline-type-imports", disallowTypeAnnotations: false },
      ],
      ...Object.fromEntries(coreRules.map((rule) => [rule, "error"])),
    },
  },
  {
    name: "product",
    files: ["main.ts", "runtime/**/*.ts", "installer/**/*.ts"],
    rules: {
      "no-console": "error",
      "@typescript-eslint/no-restricted-imports": forbidImports(notProduct),
    },
  },
  {
    name: "rooms",
    files: ["runtime/**/*.ts", "installer/**/*.ts"],
    plugins: { dockroot: { rules: { rooms } } },
    rules: { "dockroot/rooms": "error" },
  },
  {
    name: "only main.ts reads argv and environment and ends the process",
    files: ["runtime/**/*.ts", "installer/**/*.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["argv", "env", "exit", "exitCode"].map((property) => ({
          object: "process",
          property,
          message: "main.ts alone does this.",
        })),
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: "ImportDeclaration[source.value=/^(node:)?process$/]",
          message: "process is a global here, so that its uses can be checked.",
        },
      ],
    },
  },
  {
    name: "runtime",
    files: ["runtime/**/*.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        installer,
        doors,
      ),
    },
  },
  {
    name: "runtime/host",
    files: ["runtime/host/**/*.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        installer,
      ),
    },
  },
  {
    name: "pure rooms",
    files: pureRooms,
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        doors,
      ),
    },
  },
  {
    name: "pure rooms of runtime",
    files: pureRooms.filter((room) => room.startsWith("runtime/")),
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        installer,
        doors,
      ),
    },
  },
  {
    name: "deciding, in the benchmark",
    files: [
      "bench/{boot-parts,format-result,parse-kernel-log,statistics,tabulate}.ts",
      "bench/plot/{bars,boot-charts,fill-tables,svg}.ts",
    ],
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(doors),
    },
  },
  {
    name: "tests",
    files: ["test/**/*.ts"],
    rules: {
      // t.test() returns a promise that tap itself waits for.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafePromises: [
            {
              from: "package",
              package: "@tapjs/core",
              name: "PromiseWithSubtest",
            },
          ],
        },
      ],
    },
  },
);
