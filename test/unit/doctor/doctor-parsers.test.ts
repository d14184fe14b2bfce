import {
  readImage,
  readSystemOptions,
} from "../../../runtime/options/options.ts";
import t from "tap";
import { makeCpio, makeKernel } from "../../../fixtures/boot-files.ts";
import {
  parseStart,
  readStartOptions,
} from "../../../installer/doctor/rules/start.ts";
import {
  directoryOf,
  parseDaemonJson,
  readEngineConfigs,
  homeOf,
  HOMES,
} from "../../../installer/engines/formats/engine-configs.ts";
import {
  KERNEL_START_BYTES,
  parseKernelVersion,
} from "../../../installer/system/formats/kernel-files.ts";
import {
  createCpioReader,
  type ArchivedFile,
} from "../../../installer/initramfs/read-initramfs.ts";

t.test("the version that a kernel's file tells", (t) => {
  t.equal(parseKernelVersion(makeKernel("6.1.0-23-amd64")), "6.1.0-23-amd64");
  t.equal(parseKernelVersion(makeKernel("6.9.7-arch1-1")), "6.9.7-arch1-1");
  const far = Buffer.alloc(KERNEL_START_BYTES);
  far.write("HdrS", 0x202);
  far.writeUInt16LE(0xffff, 0x20e);
  far.write("6.1 (x)", 0x200 + 0xffff);
  t.equal(parseKernelVersion(far), "6.1");
  for (const bytes of [
    ...[Buffer.alloc(0), Buffer.from("HdrS"), Buffer.alloc(0x1000)],
    makeKernel(""),
    makeKernel("6.1").subarray(0, 0x300),
    makeKernel("6.1").subarray(0, 0x20f),
  ]) {
    t.equal(parseKernelVersion(bytes), undefined);
  }
  t.end();
});

t.test("what a daemon.json says of images", (t) => {
  const parse = (text: string | undefined) => parseDaemonJson("x", text);
  t.match(parse('{ "storage-driver": "btrfs", "data-root": "/d" }'), {
    ...{ storageDriver: "btrfs", dataRoot: "/d", error: undefined },
    keepsInContainerd: undefined,
  });
  t.match(parse('{ "features": { "containerd-snapshotter": true } }'), {
    keepsInContainerd: true,
  });
  t.match(parse('{ "graph": "/g", "storage-driver": "" }'), {
    ...{ dataRoot: "/g", storageDriver: undefined },
  });
  t.match(parse('{ "userns-remap": "default" }'), { hasUserNamespace: true });
  t.match(parse('{ "userns-remap": "" }'), { hasUserNamespace: false });
  t.match(parse('\uFEFF{ "storage-driver": "btrfs" }'), {
    ...{ storageDriver: "btrfs", error: undefined },
  });
  t.match(parse("\uFEFF"), { error: undefined }, "a byte order mark alone");
  t.match(parse("{,}"), { error: /JSON/ });
  t.match(parse(undefined), { error: undefined, storageDriver: undefined });
  t.match(parse(" \n"), { error: undefined });
  t.end();
});

t.test("another image than the one that an entry names", (t) => {
  const cmdline =
    "root=LABEL=x rootflags=subvol=y docker_path=d docker_image=old docker_tag=1 -- single";
  for (const text of ["", '{ "docker_tag": "9", "docker_image": "z" }']) {
    const config = text === "" ? undefined : { file: "x", text };
    const start = { cmdline, image: "me/new:2", entry: undefined };
    const read = readStartOptions(start, config);
    t.match(
      read.kind === "read" ? readSystemOptions(read.options).image : read,
      { repository: "me/new", tag: "2" },
    );
  }
  for (const [image, read] of [
    ["new", { repository: "new", tag: "latest" }],
    ["5c6", { repository: "5c6", tag: "latest", idPrefix: "5c6" }],
    [`sha256:${"5c".repeat(32)}`, { kind: "id" }],
    [undefined, { repository: "old", tag: "1" }],
  ] as const) {
    const options = parseStart({ cmdline, image, entry: undefined }, undefined);
    t.match(readImage(options, []), read, image ?? "none");
  }
  t.end();
});

t.test("an archive that comes in pieces of any size", (t) => {
  const files = {
    init: "#!/bin/sh\n",
    "./etc/dockroot.json": '{ "docker_image": "x" }',
    "usr/lib/modules/6.1/kernel/a.ko": "x".repeat(1000),
    empty: "",
  };
  const rest = Buffer.from("what follows");
  const whole = Buffer.concat([makeCpio(files), Buffer.alloc(300), rest]);
  for (const size of [1, 3, 64, 110, 1021, whole.length]) {
    const found: ArchivedFile[] = [];
    const reader = createCpioReader(
      (path) => path === "etc/dockroot.json",
      (file) => {
        found.push(file);
      },
    );
    const left: Buffer[] = [];
    let at = 0;
    for (; at < whole.length && left.length === 0; at += size) {
      const after = reader.push(whole.subarray(at, at + size));
      if (after !== undefined) left.push(after);
    }
    t.strictSame(
      found.map(({ path, sizeBytes }) => [path, sizeBytes]),
      [
        ["init", 10],
        ["etc/dockroot.json", 23],
        ["usr/lib/modules/6.1/kernel/a.ko", 1000],
        ["empty", 0],
      ],
    );
    t.equal(found[1]?.content?.toString(), '{ "docker_image": "x" }');
    t.equal(found[0]?.content, undefined);
    const all = Buffer.concat([...left, whole.subarray(at)]);
    t.equal(all.toString(), rest.toString(), `in pieces of ${String(size)}`);
  }
  t.throws(() =>
    createCpioReader(
      () => false,
      () => undefined,
    ).push(Buffer.alloc(200, "x")),
  );
  t.end();
});

t.test("where engines have their directories", (t) => {
  const read = (files: Readonly<Record<string, string>>) =>
    readEngineConfigs((file) => ({ text: files[file] }));
  const usual = read({});
  const marked = read({
    "/etc/docker/daemon.json": '\uFEFF{ "data-root": "/d" }',
    "/etc/containerd/config.toml": '\uFEFFroot = "/c"\n',
    "/etc/containers/storage.conf": '\uFEFF[storage]\r\ngraphroot = "/p"\r\n',
  });
  t.strictSame(
    HOMES.map((home) => directoryOf(marked, home)),
    ["/d", "/c", "/p"],
    "byte order marks are no part of a text",
  );
  t.match([marked.docker.error, marked.podman.error], [undefined, undefined]);
  t.strictSame(
    HOMES.map((home) => directoryOf(usual, home)),
    ["/var/lib/docker", "/var/lib/containerd", "/var/lib/containers/storage"],
  );
  const told = read({
    "/etc/docker/daemon.json": '{ "data-root": "/d/" }',
    "/etc/containerd/config.toml": 'version = 2\nroot = "/c"\n[x]\nroot="/y"\n',
    "/etc/containers/storage.conf":
      '# graphroot = "/old"\n[storage]\ndriver = ""\ngraphroot = "/p" # mine\n[storage.options]\ngraphroot = "/z"\n',
    "/usr/share/containers/storage.conf": '[storage]\ndriver = "overlay"\n',
  });
  t.strictSame(
    HOMES.map((home) => directoryOf(told, home)),
    ["/d", "/c", "/p"],
  );
  t.equal(
    directoryOf(
      read({ "/etc/docker/daemon.json": '{"data-root":"/a\\u0000"}' }),
      "docker",
    ),
    "/var/lib/docker",
    "a name that no directory can have",
  );
  t.match(told.podman, {
    file: "/etc/containers/storage.conf",
    driver: undefined,
  });
  t.match(
    read({
      "/usr/share/containers/storage.conf": '[storage]\ndriver = "overlay"\n',
    }).podman,
    { file: "/usr/share/containers/storage.conf", driver: "overlay" },
  );
  t.end();
});

t.test("whose directory it is, by what is in it", (t) => {
  for (const [names, home] of [
    [["btrfs", "image", "containerd"], "docker"],
    [["io.containerd.metadata.v1.bolt"], "containerd"],
    [["btrfs-images", "db.sql"], "podman"],
    [[], "docker"],
  ] as const) {
    t.equal(homeOf(names), home);
  }
  t.end();
});
