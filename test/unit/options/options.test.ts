import t, { type Test } from "tap";
import { BootError, type ErrorCode } from "../../../runtime/base/errors.ts";
import { summarizeFailure } from "../../../runtime/base/failure.ts";
import { findConfig, parseConfig } from "../../../runtime/options/config.ts";
import { imageOptions, withSources } from "../../../runtime/options/sources.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import {
  nameImage,
  parseOptions,
  readDiskOptions,
  readImage,
  readInitramfsKind,
  readSystemOptions,
} from "../../../runtime/options/options.ts";

const TUTORIAL =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=LABEL=linux toplayer_path=boot_docker";
const CONFIG = `{"docker_image": "sample_image", "docker_tag": "latest"}`;

function read(cmdline: string, config: string | null = CONFIG) {
  const options = parseOptions(
    cmdline,
    config === null ? undefined : { file: "/etc/dockroot.json", text: config },
  );
  const disk = readDiskOptions(options);
  const system = readSystemOptions(options);
  const warnings = [...options.warnings, ...system.warnings];
  return { ...disk, ...system, warnings };
}

function refuses(
  t: Test,
  cmdline: string,
  reason: RegExp,
  config: string | null = CONFIG,
) {
  try {
    read(cmdline, config);
    t.fail(`accepted: ${cmdline}`);
  } catch (error) {
    t.ok(error instanceof BootError && error.hint !== undefined, cmdline);
    t.match(String(error), reason, cmdline);
  }
}

t.test("the tutorial's command line and configuration", async (t) => {
  t.strictSame(read(TUTORIAL), {
    root: { kind: "tag", tag: "LABEL", value: "linux" },
    deviceTimeoutMs: 10_000,
    rwlayer: "docker_rwlayer",
    isOverlay: false,
    upper: "disk",
    mountFlags: [],
    storePath: "docker",
    deployment: undefined,
    storeKind: undefined,
    image: {
      kind: "name",
      repository: "sample_image",
      isQualified: false,
      tag: "latest",
      digest: undefined,
      idPrefix: undefined,
    },
    topLayer: {
      device: { kind: "tag", tag: "LABEL", value: "linux" },
      fsType: undefined,
      mountFlags: [],
      paths: ["boot_docker"],
    },
    generation: undefined,
    init: undefined,
    generations: 1,
    fallback: "last",
    helperTimeoutMs: 300_000,
    rwlayerMode: "fresh",
    topLayerMode: "once",
    warnings: [],
  });
});

t.test(
  "rootflags: slashes are trimmed, other flags serve the top-level mount",
  async (t) => {
    const options = read(
      "root=/dev/sda2 rootflags=subvol=/a/b/,compress=zstd:1,ro,degraded docker_path=/var/docker/",
    );
    t.equal(options.rwlayer, "a/b");
    t.same(options.mountFlags, ["compress=zstd:1", "degraded"]);
    // A line separator in the name.
    const odd = read(TUTORIAL.replace("rwlayer", "rw\u2028layer"));
    t.same(odd.mountFlags, []);
    t.equal(options.storePath, "var/docker");
  },
);

t.test("a line separator in the rwlayer's name is no flag's", async (t) => {
  const options = read(
    "root=/dev/sda rootflags=degraded,subvol=a\u2028b docker_path=d",
  );
  t.equal(options.rwlayer, "a\u2028b");
  t.strictSame(options.mountFlags, ["degraded"]);
});

t.test("without subvol= the root is an overlay", async (t) => {
  const rest = "root=LABEL=x docker_path=docker rootfstype=ext4";
  t.match(read(rest), {
    ...{ isOverlay: true, rwlayer: "docker_rwlayer" },
    ...{ generation: undefined, mountFlags: [] },
  });
  t.match(
    read(`${rest} rootflags=noatime,ro dockroot.root=roots/a`).rwlayer,
    "roots/a",
  );
  const generation = ".dockroot/a/generations/3";
  t.match(read(`${rest} dockroot.root=${generation}`), {
    ...{ rwlayer: "a", generation },
  });
  refuses(t, `${rest} dockroot.root=/`, /top level itself/);
  for (const name of ["layers", "layers.new", "images"]) {
    refuses(t, `${rest} dockroot.root=${name}`, /something else/);
  }
  refuses(t, `${rest} dockroot.root=a,b`, /characters other than/);
  refuses(t, `${rest} dockroot.root=a:b`, /characters other than/);
  refuses(t, `${rest} dockroot.root=../x`, /"\.\."/);
  refuses(t, `${rest} dockroot.root=.dockroot/x/staging`, /own directory/);
  refuses(t, `${TUTORIAL} dockroot.root=a`, /is for a root that is an overlay/);
  refuses(t, `${TUTORIAL} dockroot.upper=tmpfs`, /is for a root that is/);
  refuses(t, `${rest} dockroot.upper=memory`, /neither disk nor tmpfs/);
});

t.test("rootflags that name no rwlayer are refused", async (t) => {
  const rest = "root=LABEL=x docker_path=docker";
  refuses(
    t,
    `${rest} rootflags=subvol="docker_rwlayer"`,
    /rootflags=subvol="docker_rwlayer" has quotes within its value/,
  );
  refuses(
    t,
    'root=LABEL="x" rootflags=subvol=a docker_path=d',
    /root=LABEL="x" has quotes within its value/,
  );
  refuses(t, `${rest} rootflags=subvolid=256`, /subvolid=256 but no subvol/);
  refuses(t, `${rest} rootflags=subvol=a,subvolid=256`, /both/);
  refuses(t, `${rest} rootflags=subvol=`, /top level itself/);
  refuses(t, `${rest} rootflags=subvol=/`, /top level itself/);
  refuses(t, `${rest} rootflags=subvol=../x`, /"\.\."/);
  refuses(t, `${rest} rootflags=subvol=.dockroot/x/staging`, /own directory/);
});

t.test("a generation is told apart from a rwlayer", async (t) => {
  const rest = "root=LABEL=x docker_path=docker docker_image=a";
  const target = (subvolume: string) => {
    const flags = `rootflags=subvol=${subvolume}`;
    const { rwlayer, generation } = read(`${rest} ${flags}`);
    return { rwlayer, generation };
  };
  t.strictSame(target("/.dockroot/root/generations/12/"), {
    rwlayer: "root",
    generation: ".dockroot/root/generations/12",
  });
  t.strictSame(
    target(".dockroot/a%2F50%252F/generations/1").rwlayer,
    "a/50%2F",
  );
  t.strictSame(target("root/generations/1").generation, undefined);
  for (const other of ["0", "01", "x", "1/var", ""]) {
    refuses(
      t,
      `${rest} rootflags=subvol=.dockroot/root/generations/${other}`,
      /is not a generation/,
    );
  }
});

t.test(
  "the disk's options are known where the system's make no sense",
  async (t) => {
    const options = parseOptions(`${TUTORIAL} docker_image=UPPER`, {
      file: "/etc/dockroot.json",
      text: "{",
    });
    const disk = readDiskOptions(options);
    t.equal(disk.rwlayer, "docker_rwlayer");
    t.equal(disk.fallback, "last");
    t.throws(() => readSystemOptions(options), { code: "INVALID_CONFIG" });
  },
);

t.test("devices: every form, quoted ones too", async (t) => {
  const rest = "rootflags=subvol=r docker_path=docker";
  const root = (value: string) => read(`root=${value} ${rest}`).root;
  t.same(root("UUID=12-34"), { kind: "tag", tag: "UUID", value: "12-34" });
  t.same(root("PARTUUID=ab"), { kind: "tag", tag: "PARTUUID", value: "ab" });
  t.same(root(`"PARTLABEL=my part"`), {
    kind: "tag",
    tag: "PARTLABEL",
    value: "my part",
  });
  refuses(t, `root=LABEL="my disk" ${rest}`, /has quotes within its value/);
  t.same(root("LABEL=a=b"), { kind: "tag", tag: "LABEL", value: "a=b" });
  t.same(root("/dev/disk/by-label/x"), {
    kind: "path",
    path: "/dev/disk/by-label/x",
  });
  refuses(t, `root=LABEL= ${rest}`, /names no device/);
  refuses(t, `root=sda1 ${rest}`, /no device that dockroot understands/);
  refuses(t, `root=/etc/passwd ${rest}`, /no device that dockroot understands/);
  refuses(t, `root ${rest}`, /root= is missing/);
  refuses(t, rest, /root= is missing/);
});

t.test("the time to wait for a device", async (t) => {
  const timeout = (more: string) => read(`${TUTORIAL} ${more}`).deviceTimeoutMs;
  t.equal(timeout("rootdelay=3"), 3000);
  t.equal(timeout("rootwait"), Infinity);
  t.equal(timeout("rootwait=90"), 90_000);
  refuses(
    t,
    `${TUTORIAL} rootdelay=soon`,
    /is not a number from [01] to 999999/,
  );
  refuses(t, `${TUTORIAL} rootdelay=-1`, /is not a number from [01] to 999999/);
});

t.test(
  "image and tag: a kernel option wins over the configuration",
  async (t) => {
    const image = (more: string, config: string | null = CONFIG) =>
      formatImageReference(read(`${TUTORIAL} ${more}`, config).image);
    t.equal(image(""), "sample_image:latest");
    t.equal(image("docker_image=other"), "other:latest");
    t.equal(image("docker_image=other:2"), "other:2");
    t.equal(image("docker_tag=v3"), "sample_image:v3");
    t.equal(image("docker_image=other docker_tag=v3"), "other:v3");
    t.equal(image("docker_tag=v3", `{"docker_image": "sys:v1"}`), "sys:v3");
    t.equal(
      image("docker_image=other", `{"docker_image": "a", "docker_tag": "b"}`),
      "other:b",
    );
    t.equal(
      image("docker_image=other:2", `{"docker_image": "a", "docker_tag": "b"}`),
      "other:2",
    );
    t.equal(image("", `{"docker_image": "host:5000/a"}`), "host:5000/a:latest");
    t.equal(
      image("docker_tag=v3", `{"docker_image": "host:5000/a"}`),
      "host:5000/a:v3",
    );
  },
);

t.test("two tags for one image are refused", async (t) => {
  refuses(t, `${TUTORIAL} docker_image=a:1 docker_tag=2`, /two tags/);
  refuses(
    t,
    TUTORIAL,
    /two tags/,
    `{"docker_image": "a:1", "docker_tag": "2"}`,
  );
});

t.test("an ID or a digest makes a tag meaningless", async (t) => {
  const id = "ab".repeat(32);
  const options = read(`${TUTORIAL} docker_image=${id} docker_tag=v3`);
  t.equal(formatImageReference(options.image), `sha256:${id}`);
  t.match(options.warnings, [/docker_tag=v3 has no effect/]);
  t.same(read(`${TUTORIAL} docker_image=x@sha256:${id}`).warnings, []);
});

t.test("the beginning of an ID is one, whatever tags there are", async (t) => {
  const short = "5c60a4119e98";
  for (const text of [short, `sha256:${short}`]) {
    for (const [more, config] of [
      [`docker_image=${text}`, CONFIG],
      [`docker_image=${text}`, `{"docker_image": "a", "docker_tag": "b"}`],
      ["", `{"docker_image": "${text}", "docker_tag": "latest"}`],
      ["docker_tag=v3", `{"docker_image": "${text}"}`],
    ] as const) {
      const { image } = read(`${TUTORIAL} ${more}`, config);
      t.match(image, { idPrefix: short }, `${more} ${config}`);
      const printed = formatImageReference(image, {
        id: `sha256:${short}${"0".repeat(52)}`,
        store: "graphdriver",
      });
      t.equal(printed, text);
      const named = nameImage(parseImageReference(printed));
      const again = Object.entries(named)
        .map((pair) => pair.join("="))
        .join(" ");
      const other = `{"docker_image": "a", "docker_tag": "b"}`;
      t.strictSame(
        read(`${TUTORIAL} ${again}`, other).image,
        parseImageReference(text),
      );
    }
  }
  t.strictSame(nameImage(parseImageReference("x:1")), { docker_image: "x:1" });
});

t.test("no image named anywhere", async (t) => {
  refuses(t, TUTORIAL, /no image is named/, null);
  t.equal(
    formatImageReference(read(`${TUTORIAL} docker_image=x`, null).image),
    "x:latest",
  );
});

t.test("the configuration gives defaults for kernel options", async (t) => {
  const config = JSON.stringify({
    docker_image: "a",
    docker_path: "store",
    toplayer: "LABEL=EFI",
    toplayerfstype: "vfat",
    toplayerflags: "rw,umask=077",
    "dockroot.generations": 3,
    "dockroot.timeout": 60,
    "dockroot.fallback": "none",
    "dockroot.rwlayer": "keep",
  });
  const options = read("root=LABEL=x rootflags=subvol=r", config);
  t.equal(options.storePath, "store");
  t.match(options, {
    generations: 3,
    helperTimeoutMs: 60_000,
    fallback: "none",
    rwlayerMode: "keep",
  });
  t.same(options.topLayer, {
    device: { kind: "tag", tag: "LABEL", value: "EFI" },
    fsType: "vfat",
    mountFlags: ["umask=077"],
    paths: [""],
  });
  t.equal(
    read("root=LABEL=x rootflags=subvol=r docker_path=other", config).storePath,
    "other",
  );
});

t.test("only the configuration says where an initramfs is from", (t) => {
  const kindOf = (text: string, cmdline = TUTORIAL) =>
    readInitramfsKind(
      parseOptions(cmdline, { file: "/etc/dockroot.json", text }),
    );
  const machine = '{ "initramfs": "machine" }';
  t.equal(kindOf("{}"), "image");
  t.equal(kindOf(machine), "machine");
  t.equal(kindOf(machine, `${TUTORIAL} initramfs=image`), "machine");
  t.equal(kindOf("{", TUTORIAL), "image", "an upgrade may correct it");
  t.throws(() => kindOf('{ "initramfs": "mine" }'), {
    message: "/etc/dockroot.json: initramfs=mine is neither image nor machine",
  });
  t.strictSame(
    read(TUTORIAL, '{ "docker_image": "a", "initramfs": "no" }').warnings,
    [],
  );
  t.end();
});

t.test("a configuration that cannot be meant is refused", async (t) => {
  refuses(t, TUTORIAL, /not valid JSON/, `{"docker_image": "a",}`);
  refuses(t, TUTORIAL, /not valid JSON/, "");
  refuses(t, TUTORIAL, /one JSON object/, "[]");
  refuses(t, TUTORIAL, /must be a string/, `{"docker_image": {}}`);
  refuses(
    t,
    TUTORIAL,
    /"docker_path" has a NUL/,
    String.raw`{"docker_image": "a", "docker_path": "a\u0000b"}`,
  );
  refuses(
    t,
    TUTORIAL,
    /"docker_tag" must be a string/,
    `{"docker_image": "a", "docker_tag": 1.10}`,
  );
  refuses(
    t,
    TUTORIAL,
    /only the kernel command line/,
    `{"docker_image": "a", "rootflags": "subvol=x"}`,
  );
});

t.test("what is not known is warned of, not silently dropped", async (t) => {
  t.match(read(`${TUTORIAL} dockroot.rwlyer=keep`).warnings, [
    /dockroot\.rwlyer is not known/,
  ]);
  t.match(
    read(TUTORIAL, `{"docker_image": "a", "docker_imagee": "b"}`).warnings,
    [/docker_imagee/],
  );
  t.match(
    read("root=LABEL=x rootflags=subvol=r docker_path=d toplayer_path=t")
      .warnings,
    [/without toplayer=/],
  );
});

t.test("options that this version cannot honour stop the boot", async (t) => {
  refuses(t, `${TUTORIAL} dockroot.rwlayer=kept`, /neither fresh nor keep/);
  refuses(t, `${TUTORIAL} dockroot.toplayer=never`, /neither once nor always/);
  refuses(t, `${TUTORIAL} dockroot.fallback=no`, /neither last nor none/);
  refuses(t, `${TUTORIAL} dockroot.timeout=0`, /is not a number from 1 to/);
  refuses(
    t,
    `${TUTORIAL} dockroot.timeout=1m`,
    /is not a number from [01] to 999999/,
  );
  refuses(t, `${TUTORIAL} rootfstype=ext4`, /subvolumes are of btrfs/);
  refuses(t, `${TUTORIAL} rootfstype=vfat`, /must be btrfs, ext4, xfs/);
  refuses(
    t,
    `${TUTORIAL} dockroot.generations=-1`,
    /is not a number from 0 to 1000/,
  );
  refuses(
    t,
    `${TUTORIAL} dockroot.generations=9999`,
    /is not a number from 0 to 1000/,
  );
  refuses(t, `${TUTORIAL} init=bash`, /not an absolute path/);
  refuses(
    t,
    "root=LABEL=x rootflags=subvol=r",
    /docker_path= is given neither/,
  );
  refuses(t, "root=LABEL=x rootflags=subvol=r docker_path=a/../b", /"\.\."/);
});

t.test("a value that is not valid is told with its file", async (t) => {
  const config = (more: object) =>
    JSON.stringify({ docker_image: "a", ...more });
  const said = (cmdline: string, more: object): string => {
    try {
      return JSON.stringify(read(cmdline, config(more)));
    } catch (error) {
      return error instanceof BootError ? error.message : String(error);
    }
  };
  t.equal(
    said(TUTORIAL, { "dockroot.rwlayer": "kept" }),
    "/etc/dockroot.json: dockroot.rwlayer=kept is neither fresh nor keep",
  );
  t.equal(
    said(TUTORIAL, { "dockroot.generations": 9999 }),
    "/etc/dockroot.json: dockroot.generations=9999 is not a number from 0 to 1000",
  );
  t.equal(
    said(`${TUTORIAL} dockroot.rwlayer=kept`, { "dockroot.rwlayer": "keep" }),
    "the kernel command line: dockroot.rwlayer=kept is neither fresh nor keep",
  );
});

t.test("each message about an option says where that is set", (t) => {
  const disk = "root=LABEL=x rootflags=subvol=r";
  const file = "/etc/dockroot.json";
  const said = (cmdline: string, config: string | null) => {
    try {
      return read(cmdline, config).warnings.join("; ");
    } catch (error) {
      return error instanceof BootError
        ? summarizeFailure(error)
        : String(error);
    }
  };
  t.match(
    said(disk, '{"docker_image":"a"}'),
    `docker_path= is given neither on the kernel command line nor in ${file}`,
  );
  t.match(
    said(`${disk} docker_path=d`, null),
    "neither on the kernel command line nor in a configuration: there is no /etc/dockroot.json or /etc/docker-btrfs.json",
  );
  t.match(
    said(`${disk} docker_path=d`, "{}"),
    `no image is named: docker_image= is given neither on the kernel command line nor in ${file}`,
  );
  t.match(
    said(`${disk} docker_path=d`, '{"docker_image":"UPPER"}'),
    `docker_image=UPPER in ${file}, docker_tag=latest as the built-in default`,
  );
  t.match(
    said(`${disk} docker_path=d`, '{"docker_image":"a:1","docker_tag":"2"}'),
    `two tags are given: docker_image=a:1 in ${file}, docker_tag=2 in ${file}`,
  );
  t.match(
    said(disk, '{"docker_image":"a","docker_path":"a","store_path":"b"}'),
    `docker_path=a in ${file}, store_path=b in ${file}`,
  );
  t.match(
    said(`${disk} docker_path=d toplayer_path=t`, CONFIG),
    "toplayer_path=t on the kernel command line, without toplayer=",
  );
  t.match(
    said(
      `${disk} docker_path=d docker_tag=2`,
      `{"docker_image":"${"ab".repeat(32)}"}`,
    ),
    new RegExp(
      `docker_tag=2 has no effect: docker_image=(?:ab){32} in ${file}`,
    ),
  );
  t.end();
});

t.test("an error about an option's value says where that is set", async (t) => {
  const options = parseOptions("docker_path=d", {
    file: "/etc/docker-btrfs.json",
    text: '{"docker_image":"archlinux/base"}',
  });
  const image = readImage(options, []);
  const names = [...imageOptions(options, image), "docker_path"] as const;
  const fail = (code: ErrorCode) =>
    withSources(options, names, () => {
      throw new BootError(code, "not there", { cause: "why", hint: "Do." });
    });
  await t.rejects(fail("IMAGE_MISSING"), {
    message: "not there",
    hint: "Do. The initramfs has a copy of that file: dockroot install makes it anew.",
    cause: {
      message:
        "docker_image=archlinux/base in /etc/docker-btrfs.json, docker_tag=latest as the built-in default, docker_path=d on the kernel command line",
      cause: "why",
    },
  });
  await t.rejects(fail("STEP_FAILED"), { hint: "Do.", cause: "why" });
  const tagged = parseOptions("docker_image=a:1", undefined);
  t.strictSame(imageOptions(tagged, readImage(tagged, [])), ["docker_image"]);
});

t.test("which of the two configurations counts", (t) => {
  const find = (own: string | undefined, former: string | undefined) => {
    const source = findConfig((file) =>
      file === "/etc/dockroot.json" ? own : former,
    );
    const warnings: string[] = [];
    const options = parseConfig(source, warnings);
    return { file: source?.file, image: options.get("docker_image"), warnings };
  };
  const [own, former] = ["/etc/dockroot.json", "/etc/docker-btrfs.json"];
  const [a, b] = ['{"docker_image":"a"}', '{"docker_image":"b"}'];
  t.strictSame(find(undefined, b), { file: former, image: "b", warnings: [] });
  for (const empty of ["{}", "", " \n", "{ }\n", '\uFEFF{"docker_image":""}']) {
    t.strictSame(
      find(empty, b),
      { file: former, image: "b", warnings: [] },
      `what sets nothing does not count: ${empty}`,
    );
  }
  t.strictSame(find("{}", undefined).file, own);
  t.strictSame(find(a, a), { file: own, image: "a", warnings: [] });
  t.match(find(a, '{"docker_image":"b","docker_tag":"1"}'), {
    file: own,
    image: "a",
    warnings: [
      `${own} counts, and ${former} has no effect; they differ: docker_image (a, not b), docker_tag (not set, not 1)`,
    ],
  });
  t.match(find(a, "{").warnings, [
    `${own} counts; ${former} is not valid, and has no effect`,
  ]);
  t.match(
    find('{"docker_imagee":"a"}', b),
    { file: own, warnings: [/docker_imagee/, /differ/] },
    "a typing error is not passed over in silence",
  );
  t.throws(() => find("{", b), { code: "INVALID_CONFIG" });
  const unreadable = findConfig((file) => {
    if (file === own) return a;
    throw new BootError("FILE_UNREADABLE", "too large");
  });
  t.equal(unreadable?.file, own, "what does not count stops nothing");
  t.end();
});

t.test("rootflags= that is repeated is joined, as systemd does it", (t) => {
  const rest = "root=LABEL=x docker_path=d";
  const flags = (...values: string[]) => {
    const { rwlayer, mountFlags, warnings } = read(
      [rest, ...values.map((value) => `rootflags=${value}`)].join(" "),
    );
    // Not all initramfs join them.
    const isLost = values.at(-1)?.includes("subvol=") !== true;
    t.match(warnings, isLost ? [/last rootflags= has no subvol=/] : []);
    t.equal(warnings.length, isLost ? 1 : 0);
    return { rwlayer, mountFlags };
  };
  const joined = { rwlayer: "r", mountFlags: ["compress=zstd:1"] };
  t.strictSame(flags("subvol=r", "compress=zstd:1"), joined);
  t.strictSame(flags("compress=zstd:1", "subvol=r"), joined);
  t.strictSame(flags("subvol=r,compress=zstd:1", ""), joined);
  t.strictSame(flags("subvol=other", "subvol=r").rwlayer, "r");
  t.end();
});

t.test("what an empty kernel option leaves of the configuration", async (t) => {
  const config = JSON.stringify({
    ...{ docker_image: "a", docker_tag: "b", docker_path: "store" },
    ...{ toplayer: "LABEL=x", "dockroot.rwlayer": "keep" },
  });
  const options = read(
    "root=LABEL=x rootflags=subvol=r docker_image= docker_tag docker_path= store_path= toplayer= dockroot.rwlayer=",
    config,
  );
  t.equal(formatImageReference(options.image), "a:b");
  t.equal(options.storePath, "store");
  t.equal(options.topLayer, undefined);
  t.equal(options.rwlayerMode, "fresh");
});

t.test("docker_path and store_path mean the same", async (t) => {
  const disk = "root=LABEL=x rootflags=subvol=r";
  const config = (more: object) =>
    JSON.stringify({ docker_image: "a", ...more });
  const store = (options: string, more: object) =>
    read(`${disk} ${options}`, config(more)).storePath;
  t.equal(store("store_path=a/ docker_path=/a", {}), "a");
  t.equal(store("store_path=a", { docker_path: "b" }), "a");
  t.equal(store("docker_path=a", { store_path: "b" }), "a");
  t.equal(store("", { store_path: "b" }), "b");
  refuses(
    t,
    `${disk} store_path=a docker_path=b`,
    /given different directories/,
  );
  refuses(
    t,
    disk,
    /given different directories/,
    config({ docker_path: "a", store_path: "b" }),
  );
});

t.test("paths with control characters of ASCII are refused", async (t) => {
  const disk = "root=LABEL=x rootflags=subvol=r docker_image=a";
  for (const character of ["\u001b", "\u007f"]) {
    refuses(
      t,
      `${disk} docker_path=a${character}b`,
      /contains a control character/,
    );
  }
  refuses(t, `${disk} docker_path=a\ufffdb`, /is not valid UTF-8/);
  t.equal(read(`${disk} docker_path=a\u009bb`).storePath, "a\u009bb");
});
