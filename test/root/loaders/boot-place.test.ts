// runner: tier=first seconds=20
import fs from "fs-extra";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { makeDisk } from "../../../fixtures/loop-disk.ts";
import { run } from "../../../fixtures/run.ts";
import {
  withBootPlace,
  type BootPlace,
} from "../../../installer/loaders/boot-place.ts";
import {
  readDeploymentMenu,
  writeDeploymentMenu,
  type DeploymentEntry,
} from "../../../installer/loaders/deployment-menu.ts";
import type { LoaderName } from "../../../installer/loaders/formats/boot-loader.ts";
import {
  probeFilesystem,
  type Filesystem,
} from "../../../installer/system/filesystem.ts";
import { readMounts } from "../../../runtime/disk/mounts.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { attach, newLabel } from "../boot-disk.ts";
import { makeScratch } from "../scratch.ts";

const scratch = makeScratch(t, "boot-place");

// What this machine has mounted there must not count.
for (const at of ["/boot", "/efi", "/esp"]) {
  if (!fs.existsSync(at)) continue;
  await run(["mount", "-t", "tmpfs", "none", at]);
  t.teardown(() => run(["umount", "--recursive", at]));
}

interface Store {
  readonly filesystem: Filesystem;
  readonly device: string;
  readonly look: <T>(work: (top: string) => T | Promise<T>) => Promise<T>;
}

async function makeStore(t: Test): Promise<Store> {
  const label = newLabel();
  const file = path.join(scratch, label);
  await makeDisk(file, { label, sizeBytes: 256 * 1024 ** 2 });
  const device = await attach(t, file);
  const top = `${file}-top`;
  fs.mkdirpSync(top);
  return {
    filesystem: await probeFilesystem(createHost("/", createLog([])), device),
    device,
    look: async (work) => {
      await run(["mount", "-o", "subvolid=5", device, top]);
      try {
        return await work(top);
      } finally {
        await run(["umount", top]);
      }
    },
  };
}

/** Not every kernel that runs this mounts FAT: a tmpfs with the FAT's device for its source stands for it. */
async function makeEsp(
  t: Test,
  files: Readonly<Record<string, string>>,
): Promise<Filesystem> {
  const label = newLabel();
  const file = path.join(scratch, label);
  await run(["mkfs.vfat", "-n", label.slice(-11), "-C", file, "1024"]);
  const device = await attach(t, file);
  await run(["mount", "-t", "tmpfs", "--source", device, "/boot"]);
  t.teardown(() => run(["umount", "/boot"]));
  for (const [name, text] of Object.entries(files)) {
    fs.outputFileSync(path.join("/boot", name), text);
  }
  return probeFilesystem(createHost("/", createLog([])), device);
}

interface Machine {
  readonly cmdline?: string;
  /** Variables of the boot loader. */
  readonly variables?: Readonly<Record<string, string>>;
}

function makeHost(
  t: Test,
  { cmdline = "quiet", variables = {} }: Machine,
): Host {
  const directory = t.testdir({});
  for (const [name, value] of Object.entries(variables)) {
    fs.writeFileSync(
      `${directory}/${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`,
      Buffer.concat([Buffer.alloc(4), Buffer.from(`${value}\0`, "utf16le")]),
    );
  }
  const real = createHost("/", createLog([]));
  return {
    ...real,
    path: (file) => file.replace("/sys/firmware/efi/efivars", directory),
    readText: (file, maxBytes) =>
      file === "/proc/cmdline" ? cmdline : real.readText(file, maxBytes),
  };
}

const traces = () => [
  fs
    .readFileSync("/proc/self/mountinfo", "utf8")
    .match(/.* \/run\/dockroot\S* .*/g),
  fs.existsSync("/run/dockroot") &&
    fs.readdirSync("/run/dockroot").filter((name) => name.includes("boot-")),
];

const deployment = (n: number): DeploymentEntry => ({
  n,
  title: `dockroot ${String(n)}`,
  release: "6.1.0",
  kernel: `/dockroot/${String(n)}/linux`,
  initrds: [`/dockroot/${String(n)}/initrd`],
  options: `root=LABEL=x rootflags=subvol=system rw dockroot.deployment=${String(n)}`,
  tries: null,
});

interface Found {
  readonly loader: LoaderName;
  readonly files: string | undefined;
  readonly menu: string | undefined;
  readonly config: string;
}

/** Where boot files and menu are, from what is mounted. */
async function find(
  host: Host,
  store: Store,
  given?: LoaderName,
  menuUuid?: string,
): Promise<Found> {
  const before = traces();
  const found = await withBootPlace(
    host,
    { store: store.filesystem, given, menuUuid, access: "rw" },
    async (place) => {
      await tryOut(host, place);
      const mounts = readMounts(host);
      const sourceOf = (at: string) =>
        mounts.findLast(({ mountPoint }) => mountPoint === at)?.source;
      return {
        loader: place.loader.name,
        files: sourceOf(place.top),
        menu: sourceOf(place.menuTop),
        config: place.config,
      };
    },
  );
  t.strictSame(traces(), before, "nothing stays mounted");
  return found;
}

/** The place can be written, and the menu there says what was meant. */
async function tryOut(host: Host, place: BootPlace): Promise<void> {
  fs.outputFileSync(`${place.top}/dockroot/1/linux`, "a kernel");
  const entries = [deployment(1), deployment(2)];
  for (const next of [1, 2]) {
    await writeDeploymentMenu(host, place, "system", entries, next);
    const read = readDeploymentMenu(host, place, "system");
    t.equal(read.next, next);
    t.strictSame(
      read.entries.map(({ n, kernel }) => [n, kernel]).toSorted(),
      entries.map(({ n, kernel }) => [n, kernel]),
    );
  }
}

const READS_CUSTOM = "source ${config_directory}/custom.cfg\n";

await t.test("GRUB on the btrfs itself", async (t) => {
  const store = await makeStore(t);
  await store.look(async (top) => {
    await run(["btrfs", "subvolume", "create", `${top}/@`]);
    fs.outputFileSync(`${top}/@/boot/grub/grub.cfg`, READS_CUSTOM);
  });
  const { device } = store;
  t.strictSame(await find(makeHost(t, {}), store), {
    ...{ loader: "grub", config: "@/boot/grub/grub.cfg" },
    ...{ files: device, menu: device },
  });
  await store.look((top) => {
    t.ok(fs.existsSync(`${top}/dockroot/1/linux`));
    t.match(fs.readdirSync(`${top}/@/boot/grub`), [
      ...["custom.cfg", "dockroot.cfg", "grub.cfg"],
    ]);
  });
});

await t.test("GRUB on the ESP says where its menu is", async (t) => {
  const store = await makeStore(t);
  const other = await makeStore(t);
  await other.look((top) => {
    fs.outputFileSync(`${top}/deep/grub2/grub.cfg`, READS_CUSTOM);
  });
  const esp = await makeEsp(t, {
    "EFI/fedora/grub.cfg": `search --no-floppy --fs-uuid --set=dev ${other.filesystem.uuid ?? ""}\nset prefix=($dev)/deep/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n`,
    "grub/grub.cfg": READS_CUSTOM,
  });
  t.strictSame(await find(makeHost(t, {}), store), {
    ...{ loader: "grub", config: "deep/grub2/grub.cfg" },
    ...{ files: store.device, menu: other.device },
  });
  fs.outputFileSync(
    "/boot/EFI/fedora/grub.cfg",
    "set prefix=($root)/own\nconfigfile $prefix/grub.cfg\n",
  );
  fs.outputFileSync("/boot/own/grub.cfg", READS_CUSTOM);
  const own = await find(makeHost(t, {}), store);
  t.strictSame([own.config, own.menu], ["own/grub.cfg", esp.device]);
});

const REFIND = "EFI/refind/refind.conf";

await t.test(
  "a menu that is on no boot partition is found again",
  async (t) => {
    const store = await makeStore(t);
    const former = await makeStore(t);
    await former.look((top) => {
      fs.outputFileSync(`${top}/boot/grub/grub.cfg`, READS_CUSTOM);
    });
    const { uuid } = former.filesystem;
    t.strictSame(await find(makeHost(t, {}), store, undefined, uuid), {
      ...{ loader: "grub", config: "boot/grub/grub.cfg" },
      ...{ files: store.device, menu: former.device },
    });
    await t.rejects(find(makeHost(t, {}), store), { code: "LOADER_MISSING" });
  },
);

await t.test("rEFInd reads the btrfs, where it can", async (t) => {
  const store = await makeStore(t);
  const driver = "EFI/refind/drivers_x64/btrfs_x64.efi";
  const esp = await makeEsp(t, { [REFIND]: "timeout 20\n", [driver]: "" });
  const host = makeHost(t, {});
  const onEsp = { loader: "refind", config: REFIND, menu: esp.device };
  t.strictSame(await find(host, store), { ...onEsp, files: store.device });
  fs.removeSync(path.join("/boot", driver));
  t.strictSame(await find(host, store), { ...onEsp, files: esp.device });
  fs.outputFileSync(path.join("/boot", driver), "");
  await store.look(async (top) => {
    await run(["btrfs", "subvolume", "create", `${top}/@`]);
    await run(["btrfs", "subvolume", "set-default", `${top}/@`]);
  });
  t.strictSame(await find(host, store), { ...onEsp, files: esp.device });
});

await t.test("of several boot loaders the one that is used", async (t) => {
  const store = await makeStore(t);
  const options = "root=LABEL=mine 'x y'";
  await makeEsp(t, {
    [REFIND]: "timeout 20\n",
    "loader/loader.conf": "timeout 3\n",
    "loader/entries/mine.conf": `title x\nlinux /x\noptions ${options}\n`,
    "limine.conf": "timeout: 3\n",
  });
  const loaderOf = async (machine: Machine, given?: LoaderName) =>
    (await find(makeHost(t, machine), store, given)).loader;
  t.equal(await loaderOf({}), "refind");
  t.equal(await loaderOf({}, "limine"), "limine");
  const cmdline = `initrd=\\x BOOT_IMAGE=/x ${options}`;
  t.equal(await loaderOf({ cmdline }), "systemd-boot");
  const variables = { LoaderInfo: "Limine 9.3.0" };
  t.equal(await loaderOf({ cmdline, variables }), "limine");
  const grub = { LoaderInfo: "GRUB 2.12" };
  t.equal(await loaderOf({ cmdline, variables: grub }), "systemd-boot");
  await t.rejects(find(makeHost(t, {}), store, "grub"), {
    ...{ code: "LOADER_MISSING", message: "no menu of GRUB was found" },
  });
  await t.rejects(find(makeHost(t, {}), store, "efistub"), {
    code: "ENTRY_UNSUITABLE",
  });
});

await t.test(
  "a directory of the root is no place for boot files",
  async (t) => {
    const store = await makeStore(t);
    const stick = path.join(scratch, "stick");
    await run(["mkfs.vfat", "-C", stick, "1024"]);
    await attach(t, stick);
    fs.outputFileSync("/boot/loader/loader.conf", "");
    fs.outputFileSync("/boot/grub/grub.cfg", READS_CUSTOM);
    t.teardown(() => {
      fs.emptyDirSync("/boot");
    });
    await t.rejects(find(makeHost(t, {}), store), { code: "LOADER_MISSING" });
  },
);

await t.test("a partition that cannot be written is told", async (t) => {
  const store = await makeStore(t);
  await makeEsp(t, { "loader/loader.conf": "" });
  await run(["mount", "-o", "remount,bind,ro", "/boot"]);
  await t.rejects(find(makeHost(t, {}), store), {
    ...{ code: "MOUNT_FAILED", message: "/boot is mounted read-only" },
  });
});

await t.test("a failure and a signal leave nothing mounted", async (t) => {
  const store = await makeStore(t);
  await store.look((top) => {
    fs.outputFileSync(`${top}/grub/grub.cfg`, READS_CUSTOM);
  });
  const before = traces();
  const host = makeHost(t, {});
  const request = {
    ...{ store: store.filesystem, given: undefined },
    access: "rw" as const,
  };
  await t.rejects(
    withBootPlace(host, request, () => Promise.reject(new Error("mine"))),
    { message: "mine" },
  );
  t.strictSame(traces(), before);
  const others = process.listeners("SIGTERM");
  let received = 0;
  process.removeAllListeners("SIGTERM");
  process.on("SIGTERM", () => (received += 1));
  await withBootPlace(host, request, async () => {
    process.kill(process.pid, "SIGTERM");
    await sleep(100);
    t.notSame(traces(), before);
  });
  await sleep(100);
  t.strictSame(traces(), before);
  process.removeAllListeners("SIGTERM");
  for (const other of others) process.on("SIGTERM", other);
  t.ok(received > 0);
});
