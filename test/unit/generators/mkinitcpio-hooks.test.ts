import { spawnSync } from "node:child_process";
import t from "tap";
import {
  disableHook,
  enableHook,
} from "../../../installer/generators/mkinitcpio/edit-hooks.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { configurations } from "./mkinitcpio-configurations.ts";

/** Has mkinitcpio's own rule for HOOKS in it: an array, or a text of which a line is split at blanks. */
const PRINT_HOOKS = `
eval "$1"
[[ \${HOOKS@a} == *a* ]] || IFS=' ' read -r -a HOOKS <<<"$HOOKS"
printf '%s\\n' "\${HOOKS[@]}"
`;

/** The hooks that bash finds in the files, read one after the other as mkinitcpio does. */
function hooksByBash(texts: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["--norc", "-c", PRINT_HOOKS, "bash", texts.join("")],
    { env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout.split("\n").slice(0, -1);
}

const asConfiguration = (texts: readonly string[]) => [
  texts.map((text, index) => ({ path: `/etc/${String(index)}.conf`, text })),
];

function withEdits(
  texts: readonly string[],
  edits: ReturnType<typeof enableHook>,
): string[] {
  const contents = new Map(edits.map(({ path, content }) => [path, content]));
  return texts.map(
    (text, index) => contents.get(`/etc/${String(index)}.conf`) ?? text,
  );
}

/** The lines that one text has and the other has not: a changed line, or a new one. */
function changedLines(before: string, after: string) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (
    end < Math.min(a.length, b.length) - start &&
    a.at(-1 - end) === b.at(-1 - end)
  ) {
    end += 1;
  }
  return {
    removed: a.slice(start, a.length - end),
    added: b.slice(start, b.length - end),
  };
}

t.ok(configurations.length >= 40, "the table has at least 40 configurations");

for (const { name, files, after, keepsPlace } of configurations) {
  t.test(name, async (t) => {
    const before = hooksByBash(files);
    const edits = enableHook(asConfiguration(files));
    const enabled = withEdits(files, edits);
    const hooks = hooksByBash(enabled);

    if (keepsPlace !== undefined) {
      t.same(edits, [], "nothing is to be done");
      t.ok(before.includes(keepsPlace));
      return;
    }
    t.same(
      hooks.filter((hook) => hook !== "dockroot"),
      before,
      "all other hooks are as they were",
    );
    t.equal(hooks.filter((hook) => hook === "dockroot").length, 1);
    t.equal(hooks[hooks.indexOf("dockroot") - 1], after);
    if (hooks.includes("strip")) t.equal(hooks.at(-1), "strip");
    t.equal(edits.length, 1, "one file is edited");
    for (const [index, text] of files.entries()) {
      const { removed, added } = changedLines(text, enabled[index] ?? "");
      t.ok(removed.length <= 1 && added.length <= 1, "one line is changed");
    }
    t.same(
      enableHook(asConfiguration(enabled)),
      [],
      "a second time changes nothing",
    );
    t.same(
      withEdits(enabled, disableHook(asConfiguration(enabled), false)),
      files,
      "taking it out gives the files as they were, to the byte",
    );
  });
}

/** What people are told where HOOKS cannot be edited. */
const refused: readonly {
  readonly name: string;
  readonly files: readonly string[];
  readonly says: RegExp;
  readonly advises: RegExp;
}[] = [
  {
    name: "HOOKS that a command computes",
    files: ["MODULES=()\nHOOKS=(base $(ls /hooks) block)\n"],
    says: /^cannot edit HOOKS in \/etc\/0.conf, line 2: it is computed$/,
    advises: /add this line at the end of \/etc\/0.conf: HOOKS\+=\(dockroot\)$/,
  },
  {
    name: "HOOKS of another variable",
    files: ['A="base udev"\nHOOKS="$A block"\n'],
    says: /line 2: it is computed$/,
    advises: /: HOOKS=\(\$\{HOOKS\[@\]\} dockroot\)$/,
  },
  {
    name: "hooks of HOOKS that are replaced",
    files: ["HOOKS=(base udev block)\nHOOKS=(${HOOKS[@]/udev/systemd})\n"],
    says: /line 2: it is computed$/,
    advises: /HOOKS\+=\(dockroot\)$/,
  },
  {
    name: "HOOKS under a condition",
    files: [
      "HOOKS=(base udev)\nif [[ -e /x ]]; then\n  HOOKS+=(encrypt)\nfi\n",
    ],
    says: /line 3: it is set under a condition/,
    advises: /HOOKS\+=\(dockroot\)$/,
  },
  {
    name: "HOOKS after &&",
    files: ["HOOKS=(base udev)\n[ -e /x ] &&\n  HOOKS+=(encrypt)\n"],
    says: /line 3: it is set under a condition/,
    advises: /HOOKS/,
  },
  {
    name: "one element that is set",
    files: ["HOOKS=(base udev)\nHOOKS[2]=block\n"],
    says: /line 2: one of its elements is set by its index$/,
    advises: /HOOKS/,
  },
  {
    name: "another file that is read, in a drop-in",
    files: ["HOOKS=(base udev)\n", "\nsource /etc/hooks\n"],
    says: /\/etc\/1.conf, line 2: source may change it$/,
    advises: /at the end of \/etc\/1.conf/,
  },
  {
    name: "read, which may set it",
    files: ["HOOKS=(base)\nread -ra HOOKS </etc/hooks\n"],
    says: /line 2: read may change it$/,
    advises: /HOOKS/,
  },
  {
    name: "a list that is added to a text, which mkinitcpio takes for one hook",
    files: ['HOOKS="base udev"\nHOOKS+=(block)\n'],
    says: /line 1: "base udev" is not a valid name of a hook, or is part of a string that becomes an array$/,
    advises: /HOOKS/,
  },
  {
    name: "a backslash at the file's end, which bash keeps",
    files: ["HOOKS=base\\ udev\\"],
    says: /line 1: "udev\\" is not a valid name of a hook/,
    advises: /HOOKS/,
  },
  {
    name: "a condition after the line that has dockroot",
    files: ["HOOKS=(base dockroot)\nif true; then HOOKS=(base udev); fi\n"],
    says: /line 2: it is set under a condition/,
    advises: /HOOKS/,
  },
  {
    name: "no HOOKS",
    files: ["MODULES=()\n#HOOKS=(base)\n"],
    says: /it is not set, or empty$/,
    advises: /HOOKS/,
  },
];

for (const { name, files, says, advises } of refused) {
  t.test(`${name}: what to do by hand is told`, async (t) => {
    t.throws(() => enableHook(asConfiguration(files)), {
      code: "GENERATOR_UNSUITABLE",
      message: says,
      hint: advises,
    });
  });
}

for (const quoted of ["(base udev block)", '"base udev block"']) {
  t.test(`the line that a refusal gives is right: ${quoted}`, async (t) => {
    const files = [`if true; then HOOKS=${quoted}; fi\n`];
    let hint = "";
    try {
      enableHook(asConfiguration(files));
    } catch (error) {
      hint = error instanceof BootError ? (error.hint ?? "") : "";
    }
    const line = /: (HOOKS=.*)$/.exec(hint)?.[1] ?? "";
    const byHand = files.map((text) => `${text}${line}\n`);
    t.same(hooksByBash(byHand), ["base", "udev", "block", "dockroot"]);
    t.same(enableHook(asConfiguration(byHand)), []);
    const undone = disableHook(asConfiguration(byHand), false);
    t.same(hooksByBash(withEdits(byHand, undone)), ["base", "udev", "block"]);
  });
}

const moved: readonly [string, string, string][] = [
  [
    "before encrypt",
    "HOOKS=(base udev block dockroot encrypt filesystems)\n",
    "HOOKS=(base udev block encrypt filesystems dockroot)\n",
  ],
  [
    "before resume, by its former name",
    'HOOKS="base udev docker-btrfs filesystems resume strip"\n',
    'HOOKS="base udev filesystems resume docker-btrfs strip"\n',
  ],
  [
    "on a line of its own",
    "HOOKS=(\n  base\n  dockroot\n  block\n  lvm2\n)\n",
    "HOOKS=(\n  base\n  block\n  lvm2\n  dockroot\n)\n",
  ],
  [
    "twice",
    "HOOKS=(dockroot base docker-btrfs block)\n",
    "HOOKS=(base block dockroot)\n",
  ],
];

for (const [name, before, expected] of moved) {
  t.test(`dockroot too early, ${name}: it is moved`, async (t) => {
    const [edit] = enableHook(asConfiguration([before]));
    t.equal(edit?.content, expected);
    t.match(edit?.what, /moved to after (encrypt|resume|lvm2|block) in HOOKS/);
    t.same(enableHook(asConfiguration([expected])), []);
  });
}

t.test(
  "what a preset names is edited, too, and without drop-ins",
  async (t) => {
    const main = { path: "/etc/mkinitcpio.conf", text: "HOOKS=(base block)\n" };
    const other = { path: "/etc/other.conf", text: "HOOKS='base block'\n" };
    const dropIn = { path: "/etc/x.conf", text: "HOOKS=(base udev block)\n" };
    t.same(enableHook([[other], [main], [main, dropIn]]), [
      {
        path: other.path,
        content: "HOOKS='base block dockroot'\n",
        what: "dockroot after block in HOOKS",
      },
      {
        path: main.path,
        content: "HOOKS=(base block dockroot)\n",
        what: "dockroot after block in HOOKS",
      },
      {
        path: dropIn.path,
        content: "HOOKS=(base udev block dockroot)\n",
        what: "dockroot after block in HOOKS",
      },
    ]);
    const adding = { path: "/etc/x.conf", text: "HOOKS+=(fsck)\n" };
    t.same(
      enableHook([[main], [main, adding]]).map(({ path }) => path),
      [main.path],
      "what is in the main file is in its drop-ins' HOOKS as well",
    );
  },
);

t.test("presets that contradict each other are left to the user", async (t) => {
  const main = { path: "/etc/mkinitcpio.conf", text: "HOOKS=(base block)\n" };
  const adding = { path: "/etc/x.conf", text: "HOOKS+=(encrypt)\n" };
  t.throws(() => enableHook([[main], [main, adding]]), {
    code: "GENERATOR_UNSUITABLE",
    message: /different presets need dockroot at different places/,
  });
});

t.test("docker-btrfs goes where nothing of that name is left", async (t) => {
  const files = ["HOOKS=(base block docker-btrfs)\n"];
  t.same(disableHook(asConfiguration(files), true), []);
  t.same(disableHook(asConfiguration(files), false), [
    {
      path: "/etc/0.conf",
      content: "HOOKS=(base block)\n",
      what: "docker-btrfs out of HOOKS",
    },
  ]);
});

t.test("what is in no list that counts stays", async (t) => {
  const text = "HOOKS=(base dockroot)\n#HOOKS=(dockroot)\nHOOKS=(base)\n";
  t.same(disableHook(asConfiguration([text]), false), []);
});

t.test("dockroot under a condition: who wrote it takes it out", async (t) => {
  const files = ["HOOKS=(base)\nif true; then HOOKS+=(dockroot); fi\n"];
  t.throws(() => disableHook(asConfiguration(files), false), {
    code: "GENERATOR_UNSUITABLE",
    message: /cannot remove dockroot from HOOKS in \/etc\/0.conf, line 2/,
  });
});

t.test("taking dockroot out of an unclosed list undoes it", async (t) => {
  const files = ["HOOKS=(base\nudev\\\n"];
  const enabled = withEdits(files, enableHook(asConfiguration(files)));
  const undone = disableHook(asConfiguration(enabled), false);
  t.strictSame(withEdits(enabled, undone), files);
});
