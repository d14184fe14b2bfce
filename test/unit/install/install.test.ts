import t from "tap";
import {
  parseListing,
  findMissing,
  type ImageNeeds,
} from "../../../installer/initramfs/verify-image.ts";
import {
  judgeVersion,
  parseLdd,
} from "../../../installer/install/plan/helper-version.ts";
import { makeConfig } from "../../../installer/install/plan/make-config.ts";
import {
  formatRecord,
  MANIFEST,
  type InstalledFile,
  type Manifest,
} from "../../../installer/install/plan/records.ts";
import {
  planInstall,
  planRemoval,
  type PresentFile,
  type WantedFile,
} from "../../../installer/install/plan/plan-files.ts";
import { withoutRoot } from "../../../installer/system/enter-root.ts";

const A = "a".repeat(64);

const B = "b".repeat(64);

const C = "c".repeat(64);

t.test("what is to be done with a file, by what stands there", (t) => {
  const plan = (
    now: PresentFile | undefined,
    own: InstalledFile | undefined,
    more: Partial<WantedFile> = {},
  ) => {
    const { changes, files, warnings } = planInstall(
      [want(more)],
      new Map(now === undefined ? [] : [["/hook", now]]),
      own === undefined ? undefined : manifest([own]),
    );
    const told = changes.map((change) =>
      change.kind === "write" && "copyOf" in change.content
        ? `keep ${change.content.copyOf} as ${change.path}`
        : `${change.kind} ${change.path}`,
    );
    return { told, former: files.map(({ former }) => former?.kept), warnings };
  };
  t.match(plan(undefined, undefined), {
    told: ["write /hook"],
    former: [undefined],
  });
  t.match(plan(present(A), undefined), { told: [], former: [] }, "not ours");
  t.match(plan(present(A), installed(A)), { told: [], former: [undefined] });
  t.match(
    plan(present(B), undefined),
    {
      told: ["keep /hook as /var/lib/dockroot/former/0", "write /hook"],
      former: ["/var/lib/dockroot/former/0"],
    },
    "somebody's own",
  );
  t.match(
    plan(present(B), installed(B)),
    { told: ["write /hook"], former: [undefined], warnings: [] },
    "an older dockroot's",
  );
  t.match(
    plan(present(C), installed(B)),
    {
      told: ["keep /hook as /var/lib/dockroot/former/0", "write /hook"],
      former: ["/var/lib/dockroot/former/0"],
      warnings: [/changed after the last install/],
    },
    "an older dockroot's, changed since",
  );
  t.match(
    plan(undefined, installed(B, "/var/lib/dockroot/former/0")),
    { told: ["write /hook"], former: ["/var/lib/dockroot/former/0"] },
    "removed since: what was there before is not forgotten",
  );
  t.match(
    plan({ ...present(A), mode: 0o600 }, installed(A)),
    { told: ["write /hook"], former: [undefined] },
    "its mode changed since",
  );
  t.end();
});

t.test("an edited file that somebody has changed is edited back", (t) => {
  const { changes, files } = planInstall(
    [want({ isEdit: true })],
    new Map([["/hook", present(C)]]),
    manifest([{ ...installed(B, "/var/lib/dockroot/former/0"), isEdit: true }]),
  );
  t.match(changes, [{ kind: "write", path: "/hook" }]);
  t.strictSame(
    planRemoval(files, new Map([["/hook", present(A)]])),
    { changes: [], changed: ["/hook"] },
    "what stood there has the hook in it",
  );
  t.end();
});

t.test("a configuration that somebody has changed stays theirs", (t) => {
  const { changes, files } = planInstall(
    [want({ sha256: C, isTakenOver: true })],
    new Map([["/hook", present(C)]]),
    manifest([installed(B)]),
  );
  t.strictSame(changes, []);
  t.strictSame(planRemoval(files, new Map([["/hook", present(C)]])), {
    changes: [],
    changed: ["/hook"],
  });
  t.end();
});

t.test("what a former dockroot installed and this one does not goes", (t) => {
  const { changes, files, warnings } = planInstall(
    [],
    new Map([
      ["/old", present(A)],
      ["/changed", present(C)],
      ["/edited", present(C)],
    ]),
    manifest([
      { ...installed(A), path: "/old" },
      { ...installed(A), path: "/changed" },
      { ...installed(A), path: "/edited", isEdit: true },
    ]),
  );
  t.strictSame(changes, [{ kind: "remove", path: "/old" }]);
  t.match(warnings, [
    /\/changed was changed after the last install, and is kept/,
  ]);
  t.strictSame(
    files.map(({ path }) => path),
    ["/edited"],
    "an edit that needs none stays in the manifest",
  );
  t.end();
});

t.test("removal restores what was there, and keeps what was changed", (t) => {
  const kept = "/var/lib/dockroot/former/0";
  const { changes, changed } = planRemoval(
    [
      { ...installed(A, kept), path: "/restored" },
      { ...installed(A), path: "/removed" },
      { ...installed(A), path: "/changed" },
      { ...installed(A), path: "/gone" },
    ],
    new Map([
      ["/restored", present(A)],
      ["/removed", present(A)],
      ["/changed", present(B)],
    ]),
  );
  t.strictSame(changes, [
    {
      kind: "write",
      path: "/restored",
      content: { copyOf: kept },
      ...{ mode: 0o640, uid: 0, gid: 42 },
    },
    { kind: "remove", path: "/removed" },
  ]);
  t.strictSame(changed, ["/changed"]);
  t.end();
});

t.test("the manifest", (t) => {
  const whole = manifest([
    installed(A),
    installed(B, "/var/lib/dockroot/former/7"),
  ]);
  t.strictSame(MANIFEST.parse(formatRecord(whole)), whole);
  const text = formatRecord(whole);
  for (let length = 0; length < text.length - 2; length += 7) {
    t.throws(() => MANIFEST.parse(text.slice(0, length)), {
      code: "FILE_UNREADABLE",
    });
  }
  const damaged = (from: string, to: string) => () =>
    MANIFEST.parse(text.replace(from, to));
  t.throws(damaged('"version": 1', '"version": 2'), /later dockroot/);
  t.throws(damaged('"/hook"', '"hook"'), /is not valid/);
  t.throws(damaged('"/hook"', '"/a/../../etc/passwd"'), /is not valid/);
  t.throws(damaged(A, "short"), /is not valid/);
  t.throws(
    damaged("/var/lib/dockroot/former/7", "/etc/shadow"),
    /is not valid/,
    "nothing but what was kept is ever put back",
  );
  t.end();
});

t.test("the configuration", (t) => {
  const text = (
    source: string | undefined,
    image?: string,
    file = "/etc/dockroot.json",
  ) =>
    makeConfig(
      source === undefined ? undefined : { file, text: source },
      image,
    );
  t.match(text(undefined), { text: "{}\n", image: undefined });
  t.match(text(undefined, "me/system"), {
    text: '{\n  "docker_image": "me/system",\n  "docker_tag": "latest"\n}\n',
    image: "me/system:latest",
  });
  const former =
    '{\n"docker_image": "archlinux/base",\n"docker_tag": "latest"\n}\n';
  const formerFile = "/etc/docker-btrfs.json";
  for (const image of [undefined, "archlinux/base"]) {
    t.strictSame(
      text(former, image, formerFile),
      {
        ...{ file: formerFile, text: former, isOurs: false, warnings: [] },
        image: "archlinux/base:latest",
      },
      "the former hook's stays its user's, and counts",
    );
  }
  t.match(text(former, "mine", formerFile), {
    ...{ file: "/etc/dockroot.json", isOurs: true, image: "mine:latest" },
    text: /"docker_image": "mine"/,
    warnings: [/what is written into \/etc\/docker-btrfs.json .* no effect/],
  });
  t.strictSame(
    JSON.parse(
      text(
        '{"docker_path":"d","docker_image":"a","docker_tag":"b"}',
        "r.example:5000/x:1.10",
      ).text,
    ),
    {
      ...{ docker_path: "d", docker_image: "r.example:5000/x" },
      docker_tag: "1.10",
    },
  );
  const digest = `me/system@sha256:${A}`;
  t.strictSame(
    JSON.parse(text('{"docker_tag":"b"}', digest).text),
    { docker_image: digest },
    "a digest needs no tag, and tolerates none",
  );
  for (const id of ["5c60a4119e98", "sha256:5c60a4119e98", `sha256:${A}`]) {
    const made = text('{"docker_tag":"b"}', id);
    t.strictSame(JSON.parse(made.text), { docker_image: id });
    t.equal(made.image, id);
    const present = JSON.stringify({ docker_image: id, docker_tag: "latest" });
    t.equal(text(present).image, id, "with the tag of the image before it");
  }
  const same = '{"docker_tag":"1","docker_image":"a"}';
  t.equal(text(same, "a:1").text, same, "nothing to change");
  t.throws(() => text("{", "a"), { code: "INVALID_CONFIG" });
  t.throws(() => text("[]", "a"), { code: "INVALID_CONFIG" });
  t.throws(() => text("{}", "A B"), { code: "INVALID_REFERENCE" });
  t.throws(() => text('{"root":"LABEL=x"}'), { code: "INVALID_CONFIG" });
  t.end();
});

t.test("helpers that are fit, and that are not", (t) => {
  const judge = (
    said: string | undefined,
    minimum = "5.14.2",
    project: "btrfs-progs" | "util-linux" | "GNU coreutils" = "btrfs-progs",
  ) => judgeVersion({ name: "x", project, minimum }, said);
  // As Debian 12 prints them.
  t.match(judge("btrfs-progs v6.2\n"), { version: "6.2", problem: undefined });
  t.match(judge("btrfs-progs v5.10.1 \n"), { problem: /older than 5\.14\.2/ });
  t.match(judge("btrfs-progs v5.14.2\n"), { problem: undefined });
  t.match(judge("btrfs-progs v5.14\n"), { problem: /older/ });
  t.match(judge("cp (GNU coreutils) 9.1\nCopyright", "8.24", "GNU coreutils"), {
    ...{ version: "9.1", problem: undefined },
  });
  t.match(
    judge(
      "blkid from util-linux 2.38.1  (libblkid 2.38.1, 04-Aug-2022)\n",
      "2.23",
      "util-linux",
    ),
    { version: "2.38.1", problem: undefined },
  );
  t.match(
    judge(
      "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.",
      "8.24",
      "GNU coreutils",
    ),
    {
      version: undefined,
      problem: /not from GNU coreutils/,
      remedy: /coreutils/,
    },
  );
  t.match(judge(undefined), { problem: /x is not installed/ });
  t.match(judge(""), { problem: /is not from/ });
  t.end();
});

t.test("what is in an image", (t) => {
  // lsinitramfs -l of initramfs-tools 0.142, lsinitrd of dracut 059, an early part before.
  const listing = [
    "drwxr-xr-x   3 root     root            0 Jan  1  1970 kernel",
    "Image: /boot/initrd.img: 50M",
    "========================================================================",
    "drwxr-xr-x   7 root     root            0 Jul  2 13:50 .",
    "lrwxrwxrwx   1 root     root            7 Jul  2 13:50 bin -> usr/bin",
    "crw-r--r--   1 root     root       5,   1 Jul  2 13:50 dev/console",
    "-rwxr-xr-x   1 root     root     109710144 Nov 26 08:07 usr/bin/dockroot",
    "-rwxr-xr-x   2 root     root            0 Jul  2 13:50 ./usr/bin/a b",
    "",
  ].join("\n");
  t.strictSame(parseListing(listing), [
    { path: "bin", sizeBytes: undefined },
    { path: "usr/bin/dockroot", sizeBytes: 109710144 },
    { path: "usr/bin/a b", sizeBytes: 0 },
  ]);
  const needs: ImageNeeds = {
    executableBytes: 109710144,
    helpers: ["btrfs"],
    libraries: ["libm.so.6"],
    needsModule: true,
    hooks: ["scripts/local-premount/dockroot"],
    configs: ["etc/dockroot.json"],
  };
  const file = (path: string, sizeBytes?: number) => ({ path, sizeBytes });
  const whole = [
    file("usr/bin/dockroot", 109710144),
    file("usr/lib/dockroot/bin/btrfs"),
    file("usr/lib/x86_64-linux-gnu/libm.so.6"),
    file("usr/lib/modules/6.1/kernel/fs/btrfs/btrfs.ko.xz"),
    file("scripts/local-premount/dockroot"),
    file("etc/dockroot.json"),
  ];
  t.strictSame(findMissing(whole, needs), []);
  for (const { path } of whole) {
    const left = whole.filter((other) => other.path !== path);
    t.equal(findMissing(left, needs).length, 1, `without ${path}`);
  }
  t.match(
    findMissing([file("usr/bin/dockroot", 92000000), ...whole.slice(1)], needs),
    [/something has changed it/],
  );
  t.strictSame(
    findMissing(
      whole.filter(({ path }) => !path.includes("btrfs.ko")),
      { ...needs, needsModule: false },
    ),
    [],
    "a kernel that has btrfs in it",
  );
  t.end();
});

t.test("the libraries that ldd names", (t) => {
  const said = `/usr/bin/dockroot:
\tlinux-vdso.so.1 (0x00007ffd3e5c6000)
\tlibdl.so.2 => /lib/x86_64-linux-gnu/libdl.so.2 (0x00007f1b2c9f1000)
\tlibgone.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f1b2ca01000)
/usr/bin/static:
\tnot a dynamic executable
`;
  t.strictSame(parseLdd(said), ["ld-linux-x86-64.so.2", "libdl.so.2"]);
  t.end();
});

t.test("--root is for the outer process alone", (t) => {
  t.strictSame(
    withoutRoot(["install", "--root", "/mnt", "--image", "a", "--root=/x"]),
    ["install", "--image", "a"],
  );
  t.end();
});

function want(more: Partial<WantedFile>): WantedFile {
  return {
    path: "/hook",
    content: { text: "hook" },
    sha256: A,
    mode: 0o755,
    isEdit: false,
    ...more,
  };
}

function present(sha256: string): PresentFile {
  return { sha256, mode: 0o755, uid: 0, gid: 0 };
}

function installed(sha256: string, kept?: string): InstalledFile {
  return {
    path: "/hook",
    sha256,
    ...(kept !== undefined && {
      former: { kept, mode: 0o640, uid: 0, gid: 42 },
    }),
    isEdit: false,
  };
}

function manifest(files: readonly InstalledFile[]): Manifest {
  return {
    version: 1,
    generator: "dracut",
    files,
    directories: ["/etc/new"],
    newImages: [],
  };
}
