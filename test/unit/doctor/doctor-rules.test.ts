import t from "tap";
import type {
  DoctorFacts,
  EntryFacts,
  GeneratorFacts,
  InitramfsContent,
  LoginFacts,
  PlannedFacts,
  StartFacts,
  StoreMountFacts,
  TreeFacts,
} from "../../../installer/doctor/rules/facts.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import {
  findFindings,
  describeReport,
} from "../../../installer/doctor/rules/report.ts";
import { formatReport } from "../../../installer/doctor/rules/format-report.ts";
import {
  readEngineConfigs,
  type EngineConfigs,
} from "../../../installer/engines/engine-configs.ts";

const GB = 1e9;

const KERNEL = "6.1.0-23-amd64";

const FAILURE = {
  ...{ code: "INVALID_OPTION", message: "no image is named" },
  ...{ causes: [], hint: "Write docker_image=NAME[:TAG] there." },
};

const enginesOf = (files: Readonly<Record<string, string>>): EngineConfigs =>
  readEngineConfigs((file) => ({ text: files[file] }));

const docker = (text: string) => enginesOf({ "/etc/docker/daemon.json": text });

const BTRFS = docker('{ "storage-driver": "btrfs" }');

const content = (changes: Partial<InitramfsContent> = {}) => ({
  ...{ hasInit: true, hasDockroot: true, missing: [], config: undefined },
  kernelVersions: [KERNEL],
  ...changes,
});

const entryOf = (changes: Partial<EntryFacts> = {}): EntryFacts => ({
  entry: {
    ...{ loader: "grub", file: "/boot/grub/grub.cfg", title: "docker" },
    ...{ kernel: "/vmlinuz", initrds: ["/initrd.img"], options: "" },
  },
  kernel: { name: "/vmlinuz", file: "/boot/vmlinuz", version: KERNEL },
  initrds: [
    { name: "/initrd.img", file: "/boot/initrd.img", content: content() },
  ],
  ...changes,
});

const logins = (changes: Partial<LoginFacts> = {}): LoginFacts => ({
  ...{ unchecked: undefined, byPassword: [], byKey: [] },
  ...{ automatic: undefined, homesAreMounted: false },
  ...changes,
});

const LINE = {
  kind: "fstab" as const,
  ...{ line: 2, source: "LABEL=linux", problem: undefined },
  subvolume: "docker",
};

const treeOf = (changes: Partial<TreeFacts> = {}): TreeFacts => ({
  ...{ what: "the image system:1", hasTopLayer: true, initFailure: undefined },
  ...{
    modules: [KERNEL],
    kernels: [],
    problems: [],
    hasRootLine: false,
    unfilledGaps: [],
  },
  generators: [{ name: "dracut", missing: [], problem: undefined }],
  ...{ engines: BTRFS, storeKind: "graphdriver" },
  store: {
    ...{ home: "docker", hasEngine: true, mountPoint: "/var/lib/docker" },
    by: LINE,
  },
  logins: logins({ byPassword: ["root"] }),
  ...changes,
});

const planned = (
  tree: TreeFacts = treeOf(),
  changes: Partial<PlannedFacts["disk"]> = {},
): StartFacts["outcome"] => ({
  kind: "planned",
  warnings: [],
  image: { reference: "system:1", id: "sha256:0", store: "graphdriver" },
  disk: {
    ...{ root: "LABEL=linux", device: "/dev/sda2", storePath: "docker" },
    room: { totalBytes: 100 * GB, freeBytes: 50 * GB },
    ...{ engineDirectory: "/var/lib/docker", isStoreOfEngine: true },
    stores: ["Docker's btrfs driver"],
    ...changes,
  },
  tree,
});

const startOf = (changes: Partial<StartFacts> = {}): StartFacts => ({
  sources: [{ name: "the kernel options of this boot", cmdline: "rw" }],
  ...{ isThisStart: true, entries: [entryOf()], outcome: planned() },
  ...changes,
});

const factsOf = (changes: Partial<DoctorFacts> = {}): DoctorFacts => ({
  place: { kind: "running", kernelRelease: KERNEL },
  config: {
    source: { file: "/etc/dockroot.json", text: "" },
    ...{ failure: undefined, warnings: [], image: "system" },
  },
  menus: { entryCount: 3, unreadable: [], notInGrub: [] },
  starts: [startOf()],
  ...{ target: undefined, engines: BTRFS, bootRooms: [] },
  helpers: [
    {
      ...{ name: "btrfs", version: "6.2", problem: undefined },
      remedy: undefined,
    },
  ],
  ...changes,
});

const withTree = (changes: Partial<TreeFacts>) =>
  factsOf({ starts: [startOf({ outcome: planned(treeOf(changes)) })] });

const withEntry = (changes: Partial<EntryFacts>) =>
  factsOf({ starts: [startOf({ entries: [entryOf(changes)] })] });

/** All but the good ones, in a line each. */
const told = (facts: DoctorFacts) =>
  findFindings(facts)
    .filter(({ severity }) => severity !== "ok")
    .map(
      ({ severity, subject, message }) => `${severity} ${subject}: ${message}`,
    );

t.test("nothing is told of a machine on which nothing is wrong", (t) => {
  t.strictSame(told(factsOf()), []);
  t.end();
});

t.test("kernel and initramfs of an entry", (t) => {
  const name = 'the entry "docker" of /boot/grub/grub.cfg';
  const initrd = (changes: Partial<InitramfsContent> | undefined) => ({
    ...{ name: "/initrd.img", file: "/boot/initrd.img" },
    content: changes && content(changes),
  });
  const microcode = {
    ...{ name: "/ucode.img", file: "/boot/ucode.img" },
    content: content({
      ...{ hasInit: false, hasDockroot: false, kernelVersions: [] },
    }),
  };
  for (const [facts, expected] of [
    [
      withEntry({
        kernel: { name: "/gone", file: undefined, version: undefined },
      }),
      [`unknown kernel: ${name}: its kernel /gone is not seen here`],
    ],
    [
      withEntry({
        kernel: { name: "/k", file: "/boot/k", version: undefined },
      }),
      [`unknown kernel: ${name}: /boot/k does not tell its version`],
    ],
    [withEntry({ initrds: [microcode, initrd({})] }), []],
    [
      withEntry({ initrds: [microcode] }),
      [`stops initramfs: ${name}: dockroot is not in /boot/ucode.img`],
    ],
    [
      withEntry({ initrds: [initrd(undefined)] }),
      [
        `unknown initramfs: ${name}: nothing here can look into /boot/initrd.img`,
      ],
    ],
    [withEntry({ initrds: [initrd({ kernelVersions: [] })] }), []],
    [
      withEntry({ initrds: [{ ...initrd({}), file: undefined }] }),
      [
        `unknown initramfs: ${name}: its initramfs /initrd.img is not seen here`,
      ],
    ],
    [withEntry({ kernel: undefined, initrds: [] }), []],
    [
      withEntry({ initrds: [initrd({ missing: ["btrfs", "cp"] })] }),
      [
        `stops initramfs: ${name}: the initramfs lacks programs that dockroot calls: btrfs, cp`,
      ],
    ],
  ] as const) {
    t.strictSame(told(facts), expected);
  }
  t.end();
});

t.test("the running kernel counts where no entry is known", (t) => {
  const place = { kind: "running", kernelRelease: "6.0.0-1" } as const;
  t.strictSame(told(factsOf({ place })), [], "an entry has another");
  t.match(told(factsOf({ place, starts: [startOf({ entries: [] })] })), [
    `stops kernel: the running kernel is 6.0.0-1; the image system:1 has the modules of ${KERNEL}`,
    /^unknown boot-entries: of the 3 entries .* none boots an image/,
  ]);
  t.end();
});

t.test("kernels in the image without their modules", (t) => {
  const kernels = [
    { name: "/boot/vmlinuz-9", file: "/boot/vmlinuz-9", version: "9" },
  ];
  t.match(told(withTree({ kernels })), [
    /^warning kernel: .*\/boot\/vmlinuz-9 is 9, of which it has no modules$/,
  ]);
  t.end();
});

t.test("room on the disk and on boot partitions", (t) => {
  const disk = (freeBytes: number) =>
    factsOf({
      starts: [
        startOf({
          outcome: planned(treeOf(), {
            room: { totalBytes: 100 * GB, freeBytes },
          }),
        }),
      ],
    });
  t.match(told(disk(50e6)), [
    "stops space: /dev/sda2 has 50.0 MB free of 100.0 GB: too little for a new root",
  ]);
  t.match(told(disk(1.5 * GB)), [
    /^warning space: .* little for the next image/,
  ]);
  const boot = (freeBytes: number, largestBytes: number) => {
    const room = { totalBytes: GB, freeBytes };
    return factsOf({
      bootRooms: [{ mountPoint: "/boot", room, largestBytes }],
    });
  };
  t.strictSame(told(boot(200e6, 100e6)), []);
  t.strictSame(told(boot(100e6, 37e6)), [], "as large as those that are there");
  t.match(told(boot(100e6, 0)), [/^warning space: \/boot has 100\.0 MB free/]);
  t.match(told(boot(200e6, 300e6)), [/^warning space: .* \(about 300\.0 MB\)/]);
  t.end();
});

t.test("who can log in", (t) => {
  const image = "the image system:1";
  for (const [changes, hasTopLayer, expected] of [
    [
      {},
      true,
      [
        `stops logins: ${image}: nobody can log in: root and all others are locked`,
      ],
    ],
    [{}, false, [/^warning logins: .*unless a top layer brings a password/]],
    [
      { homesAreMounted: true },
      true,
      [/^warning logins: .*unless a key for ssh/],
    ],
    [
      { byKey: ["alice"] },
      true,
      [/^warning logins: .*alice can log in by ssh alone/],
    ],
    [{ automatic: "/etc/gdm3/custom.conf" }, true, []],
    [{ byPassword: ["alice"] }, true, []],
    [{ unchecked: "there is no /etc/passwd" }, true, [/^unknown logins: /]],
  ] as const) {
    const tree = { hasTopLayer, logins: logins(changes) };
    t.match(told(withTree(tree)), expected);
    t.equal(told(withTree(tree)).length, expected.length);
  }
  t.end();
});

t.test("generators of the image", (t) => {
  const generator = (changes: Partial<GeneratorFacts>) => ({
    ...{ name: "mkinitcpio", missing: [], problem: undefined },
    ...changes,
  });
  const missing = generator({ missing: ["/usr/lib/initcpio/hooks/dockroot"] });
  const wrong = generator({ problem: "dockroot stands before block in HOOKS" });
  for (const [generators, expected] of [
    [[], [/^unknown initramfs: .* no program that makes an initramfs/]],
    [
      [missing],
      [
        /^warning initramfs: .*mkinitcpio makes an initramfs without dockroot: there is no \/usr/,
      ],
    ],
    [[wrong], [/^warning initramfs: .*dockroot stands before block in HOOKS$/]],
    [[wrong, generator({ name: "dracut" })], []],
  ] as const) {
    t.match(told(withTree({ generators })), expected);
    t.equal(told(withTree({ generators })).length, expected.length);
  }
  t.end();
});

t.test("where the engine keeps images", (t) => {
  for (const [text, expected] of [
    ['{ "storage-driver": "overlay2" }', /names the storage driver overlay2/],
    [
      '{ "storage-driver": "btrfs", "userns-remap": "default" }',
      /has "userns-remap": .* other users than root/,
    ],
    [
      '{ "storage-driver": "btrfs", "features": { "containerd-snapshotter": true } }',
      /has the feature containerd-snapshotter/,
    ],
    ["[]", /is not valid, and Docker does not start with it: it is not a JSON/],
  ] as const) {
    t.match(told(withTree({ engines: docker(text) })), [
      new RegExp(`^warning engine: the image system:1: .*${expected.source}`),
    ]);
  }
  for (const text of [
    "",
    '{ "features": { "containerd-snapshotter": false } }',
  ]) {
    t.strictSame(told(withTree({ engines: docker(text) })), [], text);
  }
  t.end();
});

t.test("whether the new system's engine keeps images as its root's", (t) => {
  const containerd = (text: string) => toldOfEngine("containerd", docker(text));
  const podman = (text: string) =>
    toldOfEngine("podman", enginesOf({ "/etc/containers/storage.conf": text }));
  t.match(containerd('{ "storage-driver": "btrfs" }'), [
    /lacks the feature containerd-snapshotter: what is pulled may be kept elsewhere/,
  ]);
  for (const [driver, expected] of [
    ["", /and no storage driver: what is pulled is unpacked by overlayfs/],
    [
      ', "storage-driver": "overlayfs"',
      /and the storage driver overlayfs: what is pulled is unpacked by overlayfs/,
    ],
  ] as const) {
    const feature = '{ "features": { "containerd-snapshotter": true }';
    t.match(containerd(`${feature}${driver} }`), [expected]);
    t.strictSame(containerd(`${feature}, "storage-driver": "btrfs" }`), []);
  }
  t.match(podman('[storage]\ndriver = "overlay" # as packaged\n'), [
    /storage\.conf names the driver overlay: no root can be made/,
  ]);
  t.strictSame(podman("[storage]\ndriver = 'btrfs'\n"), []);
  t.match(podman("[storage]\ndriver = btrfs\n"), [
    /storage\.conf is not valid, and Podman does not start with it: Invalid/,
  ]);
  t.strictSame(podman(""), [], "Podman stays with the driver of its store");
  t.end();

  function toldOfEngine(storeKind: StoreKind, engines: EngineConfigs) {
    const outcome = planned(treeOf({ storeKind, engines }));
    const facts = factsOf({ starts: [startOf({ outcome })] });
    return told({
      ...facts,
      place: { kind: "elsewhere" },
    }).filter((text) => text.startsWith("warning engine: "));
  }
});

t.test("stores side by side, whose images may come to differ", (t) => {
  const outcome = planned(treeOf(), { stores: ["containerd", "Docker's"] });
  t.match(told(factsOf({ starts: [startOf({ outcome })] })), [
    /^warning engine: docker holds the images of containerd and of Docker's: /,
  ]);
  t.end();
});

t.test("of a store that is refused its own remedy is told alone", (t) => {
  const failure = {
    ...{ code: "STORE_UNSUPPORTED", message: "they are directories" },
    ...{ causes: [], hint: "In a running system: podman save." },
  };
  const outcome = { kind: "failed", failure } as const;
  const engines = docker("");
  t.match(
    told(factsOf({ starts: [startOf({ outcome, entries: [] })], engines })),
    [/^stops engine: .*they are directories$/, /^unknown boot-entries: /],
  );
  t.end();
});

t.test("a store that no boot names, for who can name it", (t) => {
  const failure = {
    ...{ code: "STORE_AMBIGUOUS", message: "there are several", causes: [] },
    hint: "Say which one is meant: --store-path DIR.",
  };
  const target = {
    ...{ directory: "/var/lib/docker", storeFsType: "btrfs" },
    home: "docker",
    found: { kind: "failed", failure },
  } as const;
  const findings = findFindings(factsOf({ starts: [], target }));
  t.match(
    findings.find(({ severity }) => severity === "stops"),
    {
      subject: "engine",
      remedy: /dockroot boot-entry --store-path DIR .*--store KIND/,
    },
  );
  t.end();
});

t.test("what mounts the store in the new system", (t) => {
  const store = (changes: Partial<StoreMountFacts>) =>
    told(withTree({ store: { ...treeOf().store, ...changes } }));
  t.match(store({ by: undefined }), [
    /^warning store-mount: .*nothing mounts the image store at \/var\/lib\/docker/,
  ]);
  t.strictSame(store({ by: undefined, hasEngine: false }), []);
  t.strictSame(store({ by: { kind: "unit", file: "/x.mount" } }), []);
  t.match(store({ by: { ...LINE, subvolume: "other" } }), [
    /^warning store-mount: .*line 2 of its fstab mounts other at .* the image store docker$/,
  ]);
  t.match(store({ by: { ...LINE, problem: "another filesystem" } }), [
    /^warning store-mount: .*line 2 of its fstab mounts LABEL=linux \(another filesystem\), where the image store is docker of LABEL=linux/,
  ]);
  t.match(store({ home: "podman", by: undefined }), [
    /: podman pull in the new /,
  ]);
  const odd = planned(treeOf({ store: { ...treeOf().store, by: undefined } }), {
    ...{ root: "LABEL=my disk", storePath: "a b", isStoreOfEngine: false },
  });
  const findings = findFindings(
    factsOf({ starts: [startOf({ outcome: odd })] }),
  );
  t.match(
    findings.flatMap(({ subject, remedy }) =>
      subject === "store-mount" ? [remedy] : [],
    ),
    [
      "Mount it: mount -o 'subvol=a b' 'LABEL=my disk' /var/lib/docker",
      "Add a line to the top layer's etc/fstab: LABEL=my\\040disk /var/lib/docker btrfs subvol=a\\040b 0 0",
    ],
  );
  t.end();
});

t.test("a damaged store is repaired from the system here", (t) => {
  const failure = {
    ...{ code: "STORE_DAMAGED", message: "it is damaged", causes: [] },
    hint: "Boot another system.",
  };
  const findings = findFindings(
    factsOf({
      starts: [startOf({ outcome: { kind: "failed", failure } })],
      engines: docker(""),
    }),
  );
  t.match(
    findings.filter(({ severity }) => severity !== "ok"),
    [{ severity: "stops", remedy: /^Look at the store with its engine/ }],
  );
  t.end();
});

t.test("what cannot be read, or is not in the menu yet", (t) => {
  const { entry } = entryOf();
  t.match(
    told(
      factsOf({
        menus: {
          entryCount: 3,
          unreadable: [{ file: "/boot/limine.conf", why: "it is a FIFO" }],
          notInGrub: [{ ...entry, file: "/etc/grub.d/40_custom" }],
        },
      }),
    ),
    [
      /^warning boot-entries: the entry "docker" of .*40_custom is not in grub\.cfg/,
      /^unknown boot-entries: the entries of \/boot\/limine\.conf are not known/,
    ],
  );
  t.end();
});

t.test("a boot that only its initramfs can tell, and a former root", (t) => {
  const start = (outcome: StartFacts["outcome"]) =>
    told(factsOf({ starts: [startOf({ outcome })] }));
  t.match(start({ kind: "incomplete", failure: FAILURE }), [
    /^warning options: .*no image is named; .* only if the one in its initramfs says it/,
  ]);
  t.match(start({ kind: "failed", failure: FAILURE }), [
    /^stops options: .*no image is named$/,
  ]);
  t.strictSame(start({ kind: "generation", warnings: [] }), []);
  t.end();
});

t.test("programs that are missing or too old", (t) => {
  const helper = {
    ...{ name: "cp", version: "8.1", problem: "cp is too old" },
    remedy: "Install coreutils.",
  };
  const [finding] = findFindings(factsOf({ helpers: [helper] }));
  t.match(finding, { severity: "stops", subject: "helpers" });
  t.match(finding, { message: "cp is too old", remedy: "Install coreutils." });
  t.end();
});

t.test("for people: the worst first, the good in short", (t) => {
  const facts = withTree({
    logins: logins(),
    what: "the image \u001b[2J",
    modules: [],
  });
  const style = (format: unknown, text: string) =>
    `<${String(format)}>${text}</>`;
  const text = formatReport(describeReport(facts), { style });
  t.match(
    text,
    /^<bold,red>would stop a boot: kernel: the image \\x1b\[2J has no modules.*<\/>\n {2}what to do: Install a kernel /,
  );
  t.match(
    text,
    /^ok +boot-entries +1 of the 3 that were found boot an image$/m,
  );
  t.match(text, /\n\n<bold,red>2 things would stop a boot<\/>\n$/);
  t.notMatch(text, "\u001b");
  t.end();
});
