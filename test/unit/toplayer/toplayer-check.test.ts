import t from "tap";
import type {
  CheckedEntry,
  CheckFacts,
  TextFile,
} from "../../../installer/toplayer/rules/check-facts.ts";
import {
  findProblems,
  reportEntry,
} from "../../../installer/toplayer/rules/find-problems.ts";
import {
  foldEntries,
  formatCheck,
} from "../../../installer/toplayer/rules/format-check.ts";

const entryOf = (
  path: string,
  changes: Partial<CheckedEntry> & { mode?: number; uid?: number } = {},
): CheckedEntry => {
  const { mode = 0o644, uid = 0, ...others } = changes;
  return {
    ...{ layer: 0, path, target: path, kind: "file", effect: "add" },
    ...{ through: null, replaced: null, ofImage: undefined },
    ...{ isCovered: false, refused: undefined, holdsPrivateKey: false },
    attributes: { mode, uid, gid: 0, sizeBytes: 1 },
    ...others,
  };
};

const IMAGE = {
  passwd: "root:x:0:0::/root:/bin/sh\nsshd:x:74:74::/:/sbin/nologin\n",
  group: "root:x:0:\nsshd:x:74:\n",
  shadow: "root:$6$a$b:1::::::\nsshd:!:1::::::\n",
};

/** @param own what the top layer brings of /etc */
function factsOf(
  entries: readonly CheckedEntry[],
  own: Partial<Record<TextFile, string>> = {},
): CheckFacts {
  const textOf = (file: TextFile, ofImage?: string) => ({
    text: own[file] ?? ofImage,
    entry: file in own ? entryOf(`/etc/${file}`) : undefined,
    unchecked: undefined,
  });
  return {
    entries,
    ownerless: [],
    texts: {
      passwd: textOf("passwd", IMAGE.passwd),
      group: textOf("group", IMAGE.group),
      shadow: textOf("shadow", IMAGE.shadow),
      ...{ gshadow: textOf("gshadow"), fstab: textOf("fstab") },
      "machine-id": textOf("machine-id"),
    },
    imageTexts: IMAGE,
    boot: { rwlayer: "docker_rwlayer", root: "LABEL=linux" },
    isRootFilesystem: (source) =>
      source === "LABEL=linux"
        ? true
        : source === "LABEL=other"
          ? false
          : undefined,
    stands: (file) => file === "/bin/sh",
  };
}

const found = (...of: Parameters<typeof factsOf>) =>
  findProblems(factsOf(...of)).map(({ level, rule }) => `${level} ${rule}`);

t.test("nothing is wrong with what is right", async (t) => {
  t.strictSame(found([]), []);
  t.strictSame(
    found(
      [
        entryOf("/etc/shadow", { mode: 0o600 }),
        entryOf("/etc/passwd"),
        entryOf("/etc/ssl/cert.pem"),
        entryOf("/usr/bin/su", { mode: 0o4755 }),
      ],
      {
        ...IMAGE,
        fstab: "LABEL=home /home ext4 defaults 0 2\n",
        "machine-id": "0123456789abcdef0123456789abcdef\n",
      },
    ),
    [],
  );
});

t.test("directories that close or open the image's", async (t) => {
  const merged = (
    path: string,
    mode: number,
    uid = 0,
    gid = 0,
    ofImage = { mode: 0o755, gid: 0 },
  ) =>
    entryOf(path, {
      ...{ kind: "directory", effect: "merge" },
      attributes: { mode, uid, gid, sizeBytes: 0 },
      ofImage: { uid: 0, sizeBytes: 0, ...ofImage },
    });
  for (const [entry, expected] of [
    [merged("/etc", 0o755), []],
    [merged("/etc", 0o700), ["error directory-closed"]],
    [merged("/etc", 0o754), ["error directory-closed"]],
    [merged("/usr/lib", 0o750), ["error directory-closed"]],
    [merged("/etc/ssl", 0o700), ["warning directory-closed"]],
    [merged("/etc", 0o755, 1000), ["error directory-owner"]],
    [merged("/srv/www", 0o755, 1000), ["warning directory-owner"]],
    [merged("/etc", 0o777), ["error directory-writable"]],
    [merged("/srv/up", 0o1777), []],
    [merged("/etc", 0o775), []],
    [merged("/etc", 0o775, 0, 1000), ["error directory-writable"]],
    [merged("/srv", 0o2775, 0, 50, { mode: 0o2775, gid: 50 }), []],
    [
      merged("/srv", 0o2775, 0, 51, { mode: 0o2775, gid: 50 }),
      ["warning directory-writable"],
    ],
    [
      merged("/root", 0o755, 0, 0, { mode: 0o700, gid: 0 }),
      ["warning directory-opened"],
    ],
    [merged("/root", 0o700, 0, 0, { mode: 0o550, gid: 0 }), []],
    [{ ...merged("/etc", 0o700), isCovered: true }, []],
    [{ ...merged("/opt/new", 0o700), effect: "add", ofImage: undefined }, []],
  ] as const) {
    t.strictSame(found([entry]), expected, entry.path);
  }
});

t.test("files of the system that belong to people", async (t) => {
  const directory = { kind: "directory" } as const;
  for (const [entry, expected] of [
    [entryOf("/etc/profile", { uid: 1000 }), ["warning owner"]],
    [entryOf("/etc/pam.d", { uid: 1000, ...directory }), ["warning owner"]],
    [entryOf("/usr/local/bin/x", { uid: 1000 }), ["warning owner"]],
    [entryOf("/etc/polkit-1/rules.d", { uid: 102, ...directory }), []],
    [entryOf("/home/alice/.profile", { uid: 1000 }), []],
    [entryOf("/srv/git/x", { uid: 1000 }), []],
    [entryOf("/etc/profile", { uid: 1000, isCovered: true }), []],
    [entryOf("/etc/.wh.profile", { uid: 1000, effect: "empty" }), []],
  ] as const) {
    t.strictSame(found([entry]), expected, entry.path);
  }
});

t.test("secrets that others can read or change", async (t) => {
  const closed = entryOf("/root", { kind: "directory", mode: 0o700 });
  for (const [entries, expected] of [
    [[entryOf("/etc/shadow")], ["error secret-readable"]],
    [[entryOf("/etc/gshadow-")], ["error secret-readable"]],
    [
      [entryOf("/etc/ssh/ssh_host_rsa_key")],
      ["error secret-readable", "warning host-key-group"],
    ],
    [[entryOf("/etc/ssh/ssh_host_rsa_key.pub")], []],
    [[entryOf("/root/.ssh/id_ed25519")], ["error secret-readable"]],
    [[closed, entryOf("/root/.ssh/id_ed25519")], []],
    [
      [entryOf("/etc/tls.key", { holdsPrivateKey: true })],
      ["error secret-readable"],
    ],
    [[entryOf("/etc/apt/repository.key")], []],
    [[entryOf("/etc/shadow", { mode: 0o620 })], ["error secret-writable"]],
    [
      [entryOf("/etc/shadow", { mode: 0o600, uid: 1000 })],
      ["error secret-owner", "warning owner"],
    ],
    [[entryOf("/etc/sudoers.d/me", { uid: 102 })], ["error secret-owner"]],
    [[entryOf("/etc/passwd", { mode: 0o666 })], ["error secret-writable"]],
    [[entryOf("/etc/passwd", { mode: 0o600 })], ["error accounts-closed"]],
    [[entryOf("/etc/shadow", { isCovered: true })], []],
  ] as const) {
    t.strictSame(found(entries), expected, JSON.stringify(entries));
  }
  const group = { mode: 0o640, uid: 0, gid: 42, sizeBytes: 1 };
  const shadow = entryOf("/etc/shadow", { attributes: group });
  t.strictSame(found([shadow]), ["error secret-readable"], "42 is nobody's");
  const groups = { group: `${IMAGE.group}shadow:x:42:\n` };
  t.strictSame(found([shadow], groups), [], "42 is shadow's");
});

t.test("accounts that lock out, or do not fit", async (t) => {
  const people = "alice:x:1000:74::/:/bin/sh\n";
  for (const [own, expected] of [
    [{ passwd: IMAGE.passwd }, []],
    [
      { passwd: "sshd:x:74:74::/:/sbin/nologin\n" },
      ["error passwd-root", "warning nobody-logs-in", "warning shadow-idle"],
    ],
    [{ passwd: IMAGE.passwd.replace("x:0:0", "x:7:0") }, ["error passwd-root"]],
    [
      { passwd: `${IMAGE.passwd}toor:*:0:0::/:/bin/sh\n` },
      ["warning passwd-other-root"],
    ],
    [
      { passwd: IMAGE.passwd.replace("74:74", "75:74") },
      ["error passwd-numbers"],
    ],
    [
      { passwd: IMAGE.passwd.replace("sshd", "sshx") },
      ["error passwd-missing", "warning shadow-missing", "warning shadow-idle"],
    ],
    [{ passwd: IMAGE.passwd + people }, ["error shadow-missing"]],
    [
      {
        passwd: IMAGE.passwd + people.replace("/bin/sh", "/bin/zsh"),
        shadow: `${IMAGE.shadow}alice:!:1::::::\n`,
      },
      ["error shell-missing"],
    ],
    [
      {
        passwd: IMAGE.passwd + people.replace("/bin/sh", "/usr/sbin/nologin"),
        shadow: `${IMAGE.shadow}alice:!:1::::::\n`,
      },
      [],
    ],
    [
      { shadow: IMAGE.shadow.replace("$6$a$b", "") },
      ["warning password-empty"],
    ],
    [
      { shadow: IMAGE.shadow.replace("$6$a$b", "*") },
      ["warning nobody-logs-in"],
    ],
    [
      { passwd: IMAGE.passwd.replace(":x:0", ":$6$a$b:0") },
      ["error passwd-hash"],
    ],
    [
      { group: "root:x:0:carol\nsshd:x:75:\n" },
      [
        ...["error group-numbers", "warning group-of-user-missing"],
        "warning group-strangers",
      ],
    ],
    [{ group: IMAGE.group.replace("sshd", "sshx") }, ["warning group-missing"]],
    [{ shadow: `${IMAGE.shadow}nonsense\n` }, ["warning accounts-odd-line"]],
  ] as const) {
    t.strictSame(found([], own), expected, JSON.stringify(own));
  }
});

t.test("lines of an fstab", async (t) => {
  const home = entryOf("/home/alice/file");
  for (const [line, expected] of [
    ["LABEL=linux / btrfs subvol=/docker_rwlayer 0 0", []],
    ["LABEL=linux / btrfs subvol=@ 0 0", ["error fstab-root"]],
    ["LABEL=linux / btrfs subvolid=256 0 0", ["error fstab-root"]],
    ["LABEL=other / btrfs defaults 0 0", ["error fstab-root"]],
    ["LABEL=linux / ext4 defaults 0 0", ["error fstab-root"]],
    ["UUID=absent / btrfs defaults 0 0", ["warning fstab-root"]],
    ["LABEL=x /usr ext4 defaults 0 0", ["error fstab-covers-image"]],
    ["LABEL=x /usr ext4 noauto 0 0", []],
    ["LABEL=x /home ext4 defaults 0 0", ["warning fstab-covers-layer"]],
    ["LABEL=x /mnt btrfs subvolid=5 0 0", ["warning fstab-subvolid"]],
    ["LABEL=x /mnt", ["warning fstab-odd-line"]],
    ["/swapfile none swap sw 0 0", []],
  ] as const) {
    t.strictSame(found([home], { fstab: `${line}\n` }), expected, line);
  }
});

t.test("what the merge does that is not expected", async (t) => {
  for (const [entry, expected] of [
    [entryOf("/x", { refused: "EIO" }), ["error unreadable"]],
    [entryOf("/x", { kind: "socket", effect: "skip" }), ["warning socket"]],
    [entryOf("/.wh.", { effect: "skip" }), ["warning whiteout-invalid"]],
    [entryOf("/.wh.x", { effect: "delete" }), ["warning whiteout-idle"]],
    [entryOf("/.wh.x", { effect: "delete", replaced: "file" }), []],
    [entryOf("/x", { effect: "replace", replaced: "symlink" }), []],
    [
      entryOf("/x", { effect: "replace", replaced: "directory" }),
      ["warning replaced"],
    ],
    [
      entryOf("/etc", { effect: "replace", replaced: "directory" }),
      ["error replaced"],
    ],
    [
      entryOf("/x", { kind: "directory", effect: "replace", replaced: "FIFO" }),
      ["warning replaced"],
    ],
    [entryOf("/vmlinuz-6.1"), ["warning kernels"]],
    [entryOf("/boot/initrd.img"), ["warning kernels"]],
    [entryOf("/EFI/x.efi"), ["warning kernels"]],
    [entryOf("/usr/lib/modules/6.1/x.ko"), ["warning modules"]],
    [entryOf("/etc/vmlinuz"), []],
  ] as const) {
    t.strictSame(found([entry]), expected, entry.path);
  }
  for (const id of ["", "uninitialized\n", "0123\n"]) {
    t.strictSame(found([], { "machine-id": id }), ["warning machine-id"]);
  }
});

t.test("ten thousand entries become a few lines", async (t) => {
  const numbers = Array.from({ length: 10_000 }, (_, number) => String(number));
  const directory = { kind: "directory" } as const;
  const entries = [
    entryOf("/opt", { ...directory, effect: "merge" }),
    entryOf("/opt/new", directory),
    entryOf("/opt/new/deep", directory),
    ...numbers.map((number) => entryOf(`/opt/new/deep/${number}`)),
    entryOf("/srv", { ...directory, effect: "merge" }),
    ...numbers.map((number) =>
      entryOf(`/srv/${number}`, { effect: "replace", replaced: "file" }),
    ),
    entryOf("/srv/link", { kind: "symlink" }),
  ].map(reportEntry);
  t.strictSame(
    foldEntries(entries).map(({ entry, count }) => [entry.path, count]),
    [
      ...[
        ["/opt", 1],
        ["/opt/new", 10_002],
        ["/srv", 1],
      ],
      ...[
        ["/srv/0", 10_000],
        ["/srv/link", 1],
      ],
    ],
  );
});

t.test("a remedy can be given to a shell, whatever the name is", async (t) => {
  const [problem] = findProblems(factsOf([entryOf("/etc/a; b'$(c).keyfile")]));
  t.equal(
    problem?.remedy,
    String.raw`In the top layer's directory: chmod 0600 './etc/a; b'\''$(c).keyfile'`,
  );
});

t.test("names cannot write on the terminal", async (t) => {
  const report = {
    ...({ version: 1, image: { reference: "i:1", id: "sha256:0" } } as const),
    layers: ["/la\u001b[2Jyer"],
    entries: [entryOf("/\u001b[2J\nadd  /etc")].map(reportEntry),
    problems: findProblems(
      factsOf([entryOf("/\u001b[2J", { refused: "EIO" })]),
    ),
  };
  const text = formatCheck(
    report,
    { all: false },
    { style: (_, text) => text },
  );
  // eslint-disable-next-line no-control-regex -- control characters are the point
  t.notMatch(text, /\u001b/);
  t.match(text, /^ {2}add {2}\/\\x1b\[2J\\nadd {2}\/etc$/m);
});
