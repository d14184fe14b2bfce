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
const hostTypesOnly = {
  group: ["**/host/**", "!**/host/errors.ts"],
  allowTypeImports: true,
  message:
    "This file decides and touches nothing: of runtime/host it takes types alone.",
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
    name: "deciding",
    files: [
      ...["cmdline", "options", "disk-options", "system-options"],
      ...[
        "image-ref",
        "plan",
        "plan-fallback",
        "mounted-root",
        "steps",
        "parse-state",
        "json-values",
        "rwlayer-state",
      ],
      ...[
        ...["apply-whiteouts", "cp-arguments", "finish-layer", "layer"],
        ...["make-room", "merge-plan", "merged-tree", "merging", "plan-merge"],
        ...["safe-mode", "shorten-warnings", "whiteout"],
      ].map((name) => `toplayer/${name}`),
      ...[
        ...["bolt/*", "chain-id", "choose-answer", "containerd/images"],
        ...["containerd/uvarint", "docker-repositories", "image-missing"],
        ...["match-prefix"],
        ...["podman/images", "podman/names", "store-unsupported"],
      ].map((name) => `stores/${name}`),
    ].map((name) => `runtime/${name}.ts`),
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        installer,
        doors,
        hostTypesOnly,
      ),
    },
  },
  {
    name: "deciding, in the installer",
    files: [
      "installer/commands/boot-entry/{check-loader-config,entry,facts,kernel-option,loader-name}.ts",
      "installer/commands/boot-entry/{marked-block,pair-kernels,readable,text-error}.ts",
      "installer/commands/boot-entry/{format,parse,plan}-*.ts",
      "installer/commands/completion/*.ts",
      "installer/commands/toplayer/accounts/parse-accounts.ts",
      "installer/commands/toplayer/check/rules/*.ts",
      "installer/commands/toplayer/init/{make-fstab,merge-accounts,plan-files}.ts",
      "installer/commands/toplayer/{fstab,locate,machine-id}.ts",
      "installer/generators/{new-image,parse-listing}.ts",
      "installer/install/{change,format-install,format-uninstall,helper-version}.ts",
      "installer/install/{journal,make-config,manifest,parse-ldd,plan-edits}.ts",
      "installer/install/{parse-ending,plan-install,plan-kept,program-version,refusal,verify-image}.ts",
      "installer/engines/{engine-configs,home,parse-daemon-json,parse-toml}.ts",
      "installer/{mountinfo-below,parse-kernel-version,without-root}.ts",
      "installer/generators/mkinitcpio/{configuration,disable-hook,edit-configurations,enable-hook}.ts",
      "installer/generators/mkinitcpio/{hand-work,hook-order,read-hooks,read-plain-preset}.ts",
      "installer/commands/doctor/rules/*.ts",
      "installer/commands/doctor/{find-findings,finding,override-image,report,split-grub-scripts,start,tree-problems}.ts",
      "installer/boot-entries/{boot-entry,grub-words,menu-files,parse-*,path-on-volume,refind-tokens,speaks-of-dockroot}.ts",
      "installer/generators/mkinitcpio/{shell-statements,shell-tokens,shell-word,text-change}.ts",
    ],
    rules: {
      "@typescript-eslint/no-restricted-imports": forbidImports(
        notProduct,
        doors,
        hostTypesOnly,
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
