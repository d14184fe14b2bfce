import { execFileSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import {
  readMenuOf,
  type BootPlace,
} from "../../../installer/loaders/boot-place.ts";
import {
  readChosenOnce,
  writeChosenOnce,
} from "../../../installer/loaders/chosen-once.ts";
import {
  readDeploymentMenu,
  writeDeploymentMenu,
  type DeploymentEntry,
} from "../../../installer/loaders/deployment-menu.ts";
import { findEntries } from "../../../installer/loaders/find-loaders.ts";
import type { LoaderName } from "../../../installer/loaders/formats/boot-loader.ts";
import { BOOT_LOADERS } from "../../../installer/loaders/formats/boot-loaders.ts";
import {
  findDefault,
  matchesPattern,
  chooseEntry,
  nameEntryFile,
  parseEntryFile,
  patternOf,
  putDefault,
} from "../../../installer/loaders/formats/deployment-files.ts";
import { encodeRwlayer } from "../../../installer/loaders/formats/deployment-names.ts";
import type { Filesystem } from "../../../installer/system/filesystem.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const store: Filesystem = {
  ...{ device: "/dev/sda2", type: "btrfs", label: "linux" },
  uuid: "954cad94-794d-497c-90fd-6ef4419365a8",
  ...{ isLabelUnique: true, isMapped: false, partition: undefined },
};

const esp: Filesystem = {
  ...{ device: "/dev/sda1", type: "vfat", uuid: "ABCD-1234", label: "ESP" },
  ...{ isLabelUnique: true, isMapped: false },
  partition: {
    uuid: "0f8a1c0e-4f5b-4f4e-9c1d-2b7f5d1a9e10",
    type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    ...{ isGpt: true, number: 1, disk: "/dev/sda" },
  },
};

const RWLAYER = "docker_rwlayer";

const deployment = (
  n: number,
  {
    rwlayer = RWLAYER,
    ...others
  }: Partial<DeploymentEntry> & { rwlayer?: string } = {},
): DeploymentEntry => ({
  n,
  title: `dockroot ${String(n)}: debian`,
  release: "6.1.0-9-amd64",
  kernel: `/dockroot/${String(n)}a/linux`,
  initrds: [`/dockroot/${String(n)}a/initrd`],
  options: `root=LABEL=linux rootflags=subvol=${rwlayer} rw docker_image=debian@sha256:5c60 dockroot.deployment=${String(n)} quiet`,
  tries: null,
  ...others,
});

interface Machine {
  readonly host: Host;
  readonly place: BootPlace;
  readonly read: (file: string) => string;
  readonly files: () => Record<string, string>;
}

const CONFIGS: Readonly<Record<Exclude<LoaderName, "efistub">, string>> = {
  refind: "EFI/refind/refind.conf",
  "systemd-boot": "loader/loader.conf",
  grub: "grub/grub.cfg",
  limine: "limine.conf",
};

/** A boot partition with these files, and an EFI with these variables. */
function prepare(
  t: Test,
  loader: keyof typeof CONFIGS,
  files: Readonly<Record<string, string>>,
): Machine {
  const directory = t.testdir({ boot: {}, proc: {} });
  const top = path.join(directory, "boot");
  for (const [name, text] of Object.entries(files)) {
    fs.outputFileSync(path.join(top, name), text);
  }
  const real = createHost("/", createLog([]));
  const isOnStore = loader === "grub" || loader === "refind";
  return {
    host: {
      ...real,
      path: (file) =>
        file.startsWith(directory) ? file : path.join(directory, file),
    },
    place: {
      ...{ loader: BOOT_LOADERS[loader], config: CONFIGS[loader] },
      filesystem: isOnStore ? store : esp,
      menuFilesystem: esp,
      top: isOnStore ? path.join(directory, "store") : top,
      menuTop: top,
    },
    read: (file) => fs.readFileSync(path.join(top, file), "utf8"),
    files: () =>
      Object.fromEntries(
        fs
          .readdirSync(top, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => {
            const file = path.join(entry.parentPath, entry.name);
            return [path.relative(top, file), fs.readFileSync(file, "utf8")];
          }),
      ),
  };
}

const withoutRelease = ({ release: _, ...entry }: DeploymentEntry) => entry;

const FOREIGN = {
  refind:
    'timeout 20\r\ndefault_selection "Windows"\r\n# é\r\nmenuentry "mine" {\n  loader /a\n}\n',
  "systemd-boot": "timeout 5\ndefault arch.conf\r\nconsole-mode max",
  grub: "source custom.cfg\n",
  limine:
    "timeout: 5\ndefault_entry: 2\n\n/mine\n    protocol: linux\n    path: boot():/a\n",
};

for (const loader of Object.keys(CONFIGS) as (keyof typeof CONFIGS)[]) {
  await t.test(`${loader}: the menu has what was written`, async (t) => {
    const { host, place, files } = prepare(t, loader, {
      [CONFIGS[loader]]: FOREIGN[loader],
    });
    t.strictSame(readDeploymentMenu(host, place, RWLAYER), {
      ...{ entries: [], next: undefined },
    });
    const entries = [deployment(9), deployment(10), deployment(11)];
    const write = (given: readonly DeploymentEntry[], next: number) =>
      writeDeploymentMenu(host, place, RWLAYER, given, next);
    const sorted = () => {
      const menu = readDeploymentMenu(host, place, RWLAYER);
      return {
        next: menu.next,
        entries: menu.entries.toSorted((a, b) => a.n - b.n),
      };
    };
    const shown = (entry: DeploymentEntry) => ({
      ...withoutRelease(entry),
      title:
        loader === "systemd-boot"
          ? `${entry.title} (${String(entry.n)}-${entry.release})`
          : entry.title,
    });
    for (const next of [10, 9, 11]) {
      await write(entries, next);
      t.strictSame(sorted(), { next, entries: entries.map(shown) });
    }
    const before = files();
    await write(entries, 11);
    t.strictSame(files(), before, "the same again changes nothing");
    const other = [deployment(1, { rwlayer: "other" })];
    await writeDeploymentMenu(host, place, "other", other, 1);
    t.strictSame(sorted(), { next: undefined, entries: entries.map(shown) });
    const own = readDeploymentMenu(host, place, "other");
    t.strictSame(own, { next: 1, entries: other.map(shown) });
    await write([deployment(11)], 11);
    t.strictSame(sorted(), { next: 11, entries: [shown(deployment(11))] });
    t.strictSame(readDeploymentMenu(host, place, "other"), {
      ...{ next: undefined, entries: other.map(shown) },
    });
  });

  await t.test(`${loader}: doctor finds the entries, too`, async (t) => {
    const { host, place } = prepare(t, loader, {
      [CONFIGS[loader]]: FOREIGN[loader],
    });
    const here = { ...place, top: place.menuTop };
    await writeDeploymentMenu(host, here, RWLAYER, [deployment(2)], 2);
    const options = findEntries(host).entries.map((entry) => entry.options);
    t.ok(options.includes(deployment(2).options), options.join("\n"));
  });

  await t.test(`${loader}: hostile names stay what they are`, async (t) => {
    const { host, place, read } = prepare(t, loader, {
      [CONFIGS[loader]]: FOREIGN[loader],
    });
    const rwlayer = "a/It's $(x) %2e+3-1";
    const subvolume = `"rootflags=subvol=${rwlayer}"`;
    const title = "x, \"y\" 'z' $a ${b}\n# dockroot next: begin é/1";
    const hostile = deployment(3, { title });
    const options = hostile.options.replace(/rootflags=\S+/, subvolume);
    const entries = [
      { ...hostile, options },
      deployment(30, { options: options.replace("=3 ", "=30 ") }),
    ];
    try {
      await writeDeploymentMenu(host, place, rwlayer, entries, 3);
    } catch (error) {
      t.match(error, { code: "ENTRY_UNSUITABLE" });
      t.equal(read(CONFIGS[loader]), FOREIGN[loader]);
      return;
    }
    const menu = readDeploymentMenu(host, place, rwlayer);
    t.equal(menu.next, 3);
    t.strictSame(menu.entries.map(({ n }) => n).toSorted(), [3, 30]);
    t.strictSame(
      menu.entries.find(({ n }) => n === 3)?.options,
      options.replace(subvolume, `rootflags="subvol=${rwlayer}"`),
    );
  });
}

await t.test("what is somebody else's stays byte for byte", async (t) => {
  for (const loader of Object.keys(CONFIGS) as (keyof typeof CONFIGS)[]) {
    const foreign = {
      [CONFIGS[loader]]: FOREIGN[loader],
      "loader/entries/arch.conf": "title Arch\nlinux /vmlinuz\n",
      "loader/entries/dockroot.conf": "title mine\n",
      "loader/entries/dockroot_docker_rwlayer-1.conf": "title mine\n",
      "loader/entries/dockroot_docker_rwlayer-2-1.conf.bak": "x",
      "EFI/refind/dockroot.conf.old": "x",
      "grub/custom.cfg":
        "# dockroot: begin\nmenuentry 'x' {\n}\n# dockroot: end\nset x=1",
    };
    const { host, place, read, files } = prepare(t, loader, foreign);
    for (const next of [1, 2]) {
      const entries = [deployment(next), deployment(7)];
      await writeDeploymentMenu(host, place, RWLAYER, entries, next);
    }
    for (const [file, text] of Object.entries(foreign)) {
      const lines = text
        .split("\n")
        .filter((line) => !/^default arch/.test(line));
      for (const line of lines)
        t.ok(read(file).includes(line), `${file}: ${line}`);
      if (file !== CONFIGS[loader] && file !== "grub/custom.cfg") {
        t.equal(read(file), text, file);
      }
    }
    t.strictSame(
      Object.keys(files()).filter((name) => /put|new/.test(name)),
      [],
    );
  }
});

await t.test("a file that cannot be changed is left alone", async (t) => {
  const damaged = "# dockroot next: begin\n";
  for (const [loader, file] of [
    ["grub", "grub/dockroot.cfg"],
    ["refind", "EFI/refind/dockroot.conf"],
    ["limine", "limine.conf"],
  ] as const) {
    const { host, place, files } = prepare(t, loader, {
      [CONFIGS[loader]]: FOREIGN[loader],
      [file]: damaged,
    });
    const before = files();
    await t.rejects(
      writeDeploymentMenu(host, place, RWLAYER, [deployment(1)], 1),
      { code: "FILE_FOREIGN" },
    );
    t.strictSame(files(), before);
  }
});

await t.test("a link leads nowhere else than on its own volume", async (t) => {
  for (const [loader, file] of [
    ["grub", "grub/custom.cfg"],
    ["refind", "EFI/refind/dockroot.conf"],
    ["systemd-boot", "loader/loader.conf"],
  ] as const) {
    const { host, place } = prepare(t, loader, {
      [CONFIGS[loader]]: FOREIGN[loader],
    });
    const outside = path.join(path.dirname(place.menuTop), "outside");
    fs.writeFileSync(outside, "mine");
    const inside = path.join(place.menuTop, outside);
    fs.outputFileSync(inside, "");
    const link = path.join(place.menuTop, file);
    fs.removeSync(link);
    fs.ensureSymlinkSync(outside, link);
    await writeDeploymentMenu(host, place, RWLAYER, [deployment(1)], 1);
    t.equal(fs.readFileSync(outside, "utf8"), "mine");
    t.match(fs.readFileSync(inside, "utf8"), "dockroot");
    t.equal(fs.readlinkSync(link), outside);
    t.equal(readDeploymentMenu(host, place, RWLAYER).next, 1);
  }
});

await t.test("a menu that would not show the entries is refused", async (t) => {
  for (const [loader, text] of [
    ["grub", "menuentry x {\n}\n"],
    ["refind", "scanfor internal\n"],
  ] as const) {
    const { host, place, files } = prepare(t, loader, {
      [CONFIGS[loader]]: text,
    });
    await t.rejects(
      writeDeploymentMenu(host, place, RWLAYER, [deployment(1)], 1),
      { code: "ENTRY_UNSUITABLE" },
    );
    t.strictSame(files(), { [CONFIGS[loader]]: text });
  }
});

await t.test("GRUB's own checker takes what is written", async (t) => {
  const { host, place, read } = prepare(t, "grub", {
    "grub/grub.cfg": FOREIGN.grub,
    "grub/custom.cfg": "set timeout=3",
  });
  const title = "it's $x; ${y} {";
  const entries = [deployment(1, { title }), deployment(2)];
  await writeDeploymentMenu(host, place, RWLAYER, entries, 2);
  for (const file of ["grub/dockroot.cfg", "grub/custom.cfg"]) {
    execFileSync("grub-script-check", { input: read(file) });
  }
  t.matchOnly(
    read("grub/dockroot.cfg"),
    /^ +set default='dockroot-docker_rwlayer-2'$/m,
  );
  t.match(
    read("grub/custom.cfg"),
    /^set timeout=3\n\n# dockroot deployments: begin\nif \[ -f/,
  );
});

await t.test("GRUB counts where it can write", async (t) => {
  const { host, place, read, files } = prepare(t, "grub", {
    "grub/grub.cfg": FOREIGN.grub,
  });
  const tries = { left: 2, done: 1 };
  const entries = [deployment(1), deployment(2, { tries })];
  const write = (at: BootPlace, given: readonly DeploymentEntry[]) =>
    writeDeploymentMenu(host, at, RWLAYER, given, 2, 1);
  await write(place, entries);
  const text = read("grub/dockroot.cfg");
  execFileSync("grub-script-check", { input: text });
  t.match(text, /"0" \]; then set default='dockroot-docker_rwlayer-1'; fi/);
  const [, entry = ""] = /^menuentry[^\n]*-2 \{\n([^]*?)^\}/m.exec(text) ?? [];
  t.match(entry, 'save_env --file "${dockroot_env}"');
  t.notMatch(entry, "config_directory", "GRUB has forgotten it by then");
  const env = read("grub/dockroot.env");
  t.equal(env.length, 1024);
  t.match(
    env,
    /^# GRUB Environment Block\n.*\ndockroot_left=2\ndockroot_done=1\n#+$/,
  );
  const menu = readDeploymentMenu(host, place, RWLAYER);
  t.equal(menu.next, 2);
  t.strictSame(menu.entries, entries.map(withoutRelease).toReversed());
  const [first] = menu.entries;
  fs.writeFileSync(
    path.join(place.menuTop, "grub/dockroot.env"),
    env.replace("left=2", "left=0").replace("done=1", "done=3"),
  );
  t.strictSame(readDeploymentMenu(host, place, RWLAYER).entries, [
    { ...first, tries: { left: 0, done: 3 } },
    ...menu.entries.slice(1),
  ]);
  const alone = [deployment(2, { tries })];
  await writeDeploymentMenu(host, place, RWLAYER, alone, 2);
  const single = read("grub/dockroot.cfg");
  execFileSync("grub-script-check", { input: single });
  t.match(single, /"0" \]; then set default="\$\{dockroot_former\}"; fi/);
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, 2);
  await write(place, [deployment(1), deployment(2)]);
  t.notOk(files()["grub/dockroot.env"], "not of what is confirmed");
  const counting = /^menuentry[^]*save_env/m;
  t.notMatch(read("grub/dockroot.cfg"), counting);
  await write({ ...place, menuFilesystem: store }, entries);
  t.notMatch(read("grub/dockroot.cfg"), counting, "not on btrfs");
});

await t.test("GRUB boots another entry once", async (t) => {
  const { host, place, read, files } = prepare(t, "grub", {
    "grub/grub.cfg": FOREIGN.grub,
  });
  const tries = { left: 2, done: 1 };
  const entries = [deployment(1), deployment(2, { tries })];
  const choose = (n: number | undefined) =>
    writeChosenOnce(host, place, RWLAYER, 2, n);
  const chosen = () => readChosenOnce(host, place, RWLAYER, 2);
  await writeDeploymentMenu(host, place, RWLAYER, entries, 2, 1);
  const counted = read("grub/dockroot.env");
  await choose(1);
  execFileSync("grub-script-check", { input: read("grub/dockroot.cfg") });
  const env = read("grub/dockroot.env");
  t.equal(env.length, 1024);
  t.match(env, /^dockroot_left=2\n[^]*^dockroot_once=.*-1\n#+$/m);
  t.equal(chosen()?.n, 1);
  const {
    next,
    entries: [first],
  } = readDeploymentMenu(host, place, RWLAYER);
  t.match({ next, first }, { next: 2, first: { n: 2, tries } });
  await choose(undefined);
  t.equal(chosen(), undefined);
  t.equal(read("grub/dockroot.env"), counted);
  const theirs = "# GRUB Environment Block\nnext_entry=docker\n";
  fs.writeFileSync(path.join(place.menuTop, "grub/grubenv"), theirs);
  await t.rejects(choose(1), {
    message: /would boot docker next, and not deployment 1/,
  });
  t.equal(files()["grub/grubenv"], theirs);
});

await t.test("rEFInd: a later choice of somebody else's is told", async (t) => {
  const { host, place, read } = prepare(t, "refind", {
    [CONFIGS.refind]: FOREIGN.refind,
  });
  await writeDeploymentMenu(host, place, RWLAYER, [deployment(1)], 1);
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, 1);
  const file = path.join(place.menuTop, CONFIGS.refind);
  fs.writeFileSync(file, `${read(CONFIGS.refind)}default_selection +\n`);
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, undefined);
});

await t.test("systemd-boot counts in the name of a file", async (t) => {
  const { host, place, read, files } = prepare(t, "systemd-boot", {});
  const directory = "loader/entries/dockroot_docker_rwlayer";
  const write = (tries: DeploymentEntry["tries"]) =>
    writeDeploymentMenu(
      ...([host, place, RWLAYER] as const),
      [deployment(1), deployment(2, { tries })],
      ...([2, 1] as const),
    );
  const names = () => Object.keys(files()).toSorted();
  const readTries = () => {
    const { entries } = readDeploymentMenu(host, place, RWLAYER);
    return entries.find(({ n }) => n === 2)?.tries;
  };
  await write({ left: 3, done: 0 });
  t.strictSame(names(), [
    ...[`${directory}-1-1.conf`, `${directory}-2-1+3-0.conf`],
    "loader/loader.conf",
  ]);
  t.match(
    read("loader/loader.conf"),
    "default dockroot_docker_rwlayer-*-1[.+]*\n",
  );
  const { top } = place;
  fs.renameSync(
    path.join(top, `${directory}-2-1+3-0.conf`),
    path.join(top, `${directory}-2-1+0-3.conf`),
  );
  t.strictSame(readTries(), { left: 0, done: 3 });
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, 1);
  // Of two with one name a boot that was good would end as bad.
  await write(null);
  t.strictSame(names(), [
    ...[`${directory}-1-1.conf`, `${directory}-2-1.conf`],
    "loader/loader.conf",
  ]);
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, 2);
});

await t.test("systemd-boot lists no file that is half written", async (t) => {
  const { host, place, files } = prepare(t, "systemd-boot", {});
  const write = () => {
    const entries = [deployment(1), deployment(2)];
    return writeDeploymentMenu(host, place, RWLAYER, entries, 2);
  };
  await write();
  const directory = "loader/entries/dockroot_docker_rwlayer";
  const half = `${directory}-2-1+3-1.conf.dockroot-put`;
  const theirs = `${directory}-x.conf.dockroot-put`;
  for (const name of [half, theirs]) {
    fs.writeFileSync(path.join(place.top, name), "title half");
  }
  t.equal(readDeploymentMenu(host, place, RWLAYER).next, 2);
  await write();
  t.notOk(files()[half], "it is removed");
  t.ok(files()[theirs], "somebody else's stays");
});

await t.test(
  "systemd-boot: what is tried anew has its other file no longer when it is chosen",
  async (t) => {
    const { host, place, read, files } = prepare(t, "systemd-boot", {});
    const write = (tries: DeploymentEntry["tries"]) =>
      writeDeploymentMenu(
        {
          ...host,
          run: (argv, options) => {
            const isChosen = Object.keys(files()).some(
              (name) =>
                name === "loader/loader.conf" && read(name).includes("-*-"),
            );
            const isThere = Object.keys(files()).some((name) =>
              name.endsWith("-2-1.conf"),
            );
            t.notOk(isChosen && isThere);
            return host.run(argv, options);
          },
        },
        ...([place, RWLAYER] as const),
        [deployment(1), deployment(2, { tries })],
        tries === null ? 1 : 2,
        tries === null ? undefined : 1,
      );
    await write(null);
    await write({ left: 3, done: 0 });
    t.match(
      read("loader/loader.conf"),
      "default dockroot_docker_rwlayer-*-1[.+]*\n",
    );
    t.match(
      read("loader/entries/dockroot_docker_rwlayer-2-1+3-0.conf"),
      /^sort-key +dockroot$/m,
      "before the others",
    );
  },
);

await t.test(
  "systemd-boot: what was chosen in its menu goes before",
  async (t) => {
    const { host, place } = prepare(t, "systemd-boot", {});
    const variable = host.path(
      "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
    );
    const choose = (pattern: string) => {
      const value = Buffer.from(`${pattern}\0`, "utf16le");
      fs.outputFileSync(variable, Buffer.concat([Buffer.alloc(4), value]));
    };
    const entries = [deployment(1), deployment(2)];
    await writeDeploymentMenu(host, place, RWLAYER, entries, 1);
    choose("arch.conf");
    t.equal(readDeploymentMenu(host, place, RWLAYER).next, undefined);
    choose("dockroot_docker_rwlayer-7-1.conf");
    t.equal(readDeploymentMenu(host, place, RWLAYER).next, 1, "it is gone");
    const bootctl: Host = {
      ...host,
      run: (argv, options) => {
        if (argv[0] !== "bootctl") return host.run(argv, options);
        t.equal(argv[1], "set-default");
        choose(argv[2] ?? "");
        return Promise.resolve({ exitCode: 0, stdout: Buffer.alloc(0) });
      },
    };
    await writeDeploymentMenu(bootctl, place, RWLAYER, entries, 2);
    t.equal(readDeploymentMenu(host, place, RWLAYER).next, 2);
  },
);

await t.test("systemd-boot boots another entry once", async (t) => {
  const { host, place, files } = prepare(t, "systemd-boot", {});
  const variable = host.path(
    "/sys/firmware/efi/efivars/LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
  );
  const bootctl: Host = {
    ...host,
    run: ([program, command, name = ""]) => {
      t.strictSame([program, command], ["bootctl", "set-oneshot"]);
      const value = Buffer.from(`${name}\0`, "utf16le");
      if (name === "") fs.removeSync(variable);
      else fs.outputFileSync(variable, Buffer.concat([Buffer.alloc(4), value]));
      return Promise.resolve({ exitCode: 0, stdout: Buffer.alloc(0) });
    },
  };
  const entries = [deployment(1), deployment(2)];
  await writeDeploymentMenu(host, place, RWLAYER, entries, 2);
  await writeChosenOnce(bootctl, place, RWLAYER, 2, 1);
  const chosen = readChosenOnce(host, place, RWLAYER, 2);
  t.equal(chosen?.n, 1);
  t.ok(files()[`loader/entries/${chosen?.name ?? ""}`], "by its whole name");
  await writeChosenOnce(bootctl, place, RWLAYER, 2, undefined);
  t.equal(readChosenOnce(host, place, RWLAYER, 2), undefined);
});

await t.test("a menu tells which of its files cannot be read", async (t) => {
  const { host, place } = prepare(t, "systemd-boot", {});
  const entries = [deployment(1)];
  await writeDeploymentMenu(host, place, RWLAYER, entries, 1);
  const file = path.join(place.top, "loader/entries/large.conf");
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 5 * 1024 * 1024);
  t.match(readMenuOf(host, place), {
    entries: [{ kernel: "/dockroot/1a/linux" }],
    unreadable: [{ file }],
  });
});

t.test("names of entries are told apart", (t) => {
  const names = ["a", "a-1", "A", "a/b", "a%2fb", "é", "a+1", "a.b", "a_b"];
  t.equal(
    new Set(names.map((name) => encodeRwlayer(name).toLowerCase())).size,
    9,
  );
  t.equal(encodeRwlayer("roots/Next é"), "roots%2f%4eext%20%c3%a9");
  for (const [rwlayer, file, n] of [
    ["a", "dockroot_a-1-1.conf", 1],
    ["a", "dockroot_a-12-1+3.conf", 12],
    ["a", "dockroot_a-12-1+0-3.conf", 12],
    ["a", "dockroot_a-1-1-1.conf", undefined],
    ["a-1", "dockroot_a-1-1-1.conf", 1],
    ["a", "dockroot_a-01-1.conf", undefined],
    ["a", "dockroot_a-1-2.conf", undefined],
    ["a", "dockroot_a-1-1.conf~", undefined],
    ["a", "dockroot_b-1-1.conf", undefined],
    ["a", "xdockroot_a-1-1.conf", undefined],
  ] as const) {
    t.equal(parseEntryFile(rwlayer, file)?.n, n, file);
  }
  t.end();
});

t.test("a counter stands in a file's name, as systemd-boot writes it", (t) => {
  for (const [name, tries] of [
    ["dockroot_a-2-1.conf", null],
    ["dockroot_a-2-1+3.conf", { left: 3, done: 0 }],
    ["dockroot_a-2-1+0-3.conf", { left: 0, done: 3 }],
  ] as const) {
    t.strictSame(parseEntryFile("a", name), { n: 2, tries });
  }
  t.equal(
    nameEntryFile("a", 2, { left: 3, done: 0 }),
    "dockroot_a-2-1+3-0.conf",
  );
  t.end();
});

t.test(
  "a candidate starts while it has a try left, then the one that is known to work",
  (t) => {
    const others = ["arch.conf", "dockroot_a-b-9-1.conf"];
    const file = (n: number, left?: number) =>
      nameEntryFile(
        "a",
        n,
        left === undefined ? null : { left, done: 3 - left },
      );
    for (const [next, fallback, more, foreign = others] of [
      [3, 2, [1]],
      [3, 1, [2]],
      [10, 9, [1]],
      [25, 10, [24]],
      // What is tried anew may be older.
      [1, 2, []],
      [1, 3, [2]],
      [9, 10, [11], []],
      [10, 9, [11], []],
      [100, 10, [12]],
    ] as const) {
      const rest = [...foreign, ...[fallback, ...more].map((n) => file(n))];
      const pattern = patternOf("a", [...rest, file(next, 3)], next, fallback);
      const chosen = [3, 1, 0].map(
        (left) => chooseEntry("a", pattern, [...rest, file(next, left)])?.n,
      );
      t.strictSame(chosen, [next, next, fallback], pattern);
    }
    t.equal(
      patternOf("a", [file(100, 3), file(10), file(110)], 100, 10),
      "dockroot_a-100-1[.+]*",
      "where no pattern tells them apart: the candidate alone",
    );
    t.end();
  },
);

t.test("only the default of a loader.conf changes", (t) => {
  t.equal(putDefault("", "x"), "default x\n");
  t.equal(putDefault("timeout 3", "x"), "timeout 3\ndefault x\n");
  t.equal(putDefault("#default a\n", "x"), "#default a\ndefault x\n");
  t.equal(
    putDefault("default a\n default  b \r\ntimeout 3\r\n", "x"),
    "default a\ndefault x\r\ntimeout 3\r\n",
  );
  t.equal(findDefault("default a\n default  b \r\n"), "b");
  t.equal(findDefault("#default a\ndefaults b\n"), undefined);
  t.end();
});

t.test("patterns match as systemd-boot's do", (t) => {
  for (const [pattern, name, isMatch] of [
    ["arch-*", "Arch-6.1.conf", true],
    ["arch.conf", "archxconf", false],
    ["a?c[.+]*", "abc+3-1.conf", true],
    ["a?c[.+]*", "abc-1.conf", false],
    ["a(b", "a(b", true],
    ["[", "[", true],
    ["@saved", "x", false],
  ] as const) {
    t.equal(matchesPattern(pattern, name), isMatch, pattern);
  }
  t.end();
});
