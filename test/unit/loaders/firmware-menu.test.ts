import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import type { BootPlace } from "../../../installer/loaders/boot-place.ts";
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
import { BOOT_LOADERS } from "../../../installer/loaders/formats/boot-loaders.ts";
import { parseLoadOption } from "../../../installer/loaders/formats/load-option.ts";
import { HelperError } from "../../../runtime/base/errors.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import type { RunResult } from "../../../runtime/host/process.ts";
import { createLog } from "../../../runtime/host/log.ts";

const VARIABLES = "sys/firmware/efi/efivars";

const VENDOR = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

const SUCCESS: RunResult = {
  ...{ exitCode: 0, stdout: Buffer.alloc(0) },
};

const utf16 = (text: string) => Buffer.from(text, "utf16le");

/** An EFI_LOAD_OPTION with a partition and a file, as efibootmgr 17 makes it. */
function makeLoadOption(
  title: string,
  file: string,
  options: string,
  attributes = 1,
): Buffer {
  const header = Buffer.alloc(6);
  const name = utf16(`${file}\0`);
  const partition = Buffer.alloc(42);
  partition.set([4, 1, 42, 0]);
  const paths = [
    partition,
    Buffer.from([4, 4, name.length + 4, 0]),
    name,
    Buffer.from([0x7f, 0xff, 4, 0]),
  ];
  header.writeUInt32LE(attributes, 0);
  header.writeUInt16LE(Buffer.concat(paths).length, 4);
  return Buffer.concat([header, utf16(`${title}\0`), ...paths, utf16(options)]);
}

interface Machine {
  readonly host: Host;
  readonly put: (name: string, value: Buffer) => void;
  readonly forget: (name: string) => void;
  readonly names: () => string[];
  readonly order: () => string[];
}

/** A firmware's memory, and the flags of efibootmgr 17 that change it. */
function prepare(t: Test): Machine {
  const root = t.testdir({ proc: { self: { mountinfo: "" } } });
  const at = (name: string) => path.join(root, VARIABLES, `${name}-${VENDOR}`);
  const put = (name: string, value: Buffer) => {
    fs.outputFileSync(at(name), Buffer.concat([Buffer.alloc(4, 7), value]));
  };
  const forget = (name: string) => {
    fs.removeSync(at(name));
  };
  const names = () =>
    fs
      .readdirSync(path.join(root, VARIABLES))
      .flatMap((name) => /^Boot([\dA-F]{4})-/.exec(name)?.[1] ?? []);
  const putOrder = (numbers: readonly string[], name = "BootOrder") => {
    const order = Buffer.alloc(numbers.length * 2);
    for (const [index, number] of numbers.entries()) {
      order.writeUInt16LE(Number.parseInt(number, 16), index * 2);
    }
    put(name, order);
  };
  const real = createHost(root, createLog([]));
  return {
    host: {
      ...real,
      run: (argv) => {
        const valueOf = (flag: string) => argv[argv.indexOf(flag) + 1] ?? "";
        if (argv[0] !== "efibootmgr") {
          t.equal(argv[0], "sync");
        } else if (argv.includes("--create-only")) {
          const free = ["0000", "0001", "0002", "000A", "000B", "000C"].find(
            (number) => !names().includes(number),
          );
          t.equal(valueOf("--disk"), "/dev/sda");
          t.equal(valueOf("--part"), "1");
          put(
            `Boot${free ?? ""}`,
            makeLoadOption(
              ...([valueOf("--label"), valueOf("--loader")] as const),
              valueOf("--unicode"),
            ),
          );
        } else if (argv.includes("--bootorder")) {
          putOrder(valueOf("--bootorder").split(","));
        } else if (argv.includes("--bootnext")) {
          const number = Number.parseInt(valueOf("--bootnext"), 16);
          put("BootNext", Buffer.from([number, 0]));
        } else if (argv.includes("--delete-bootnext")) {
          forget("BootNext");
        } else if (argv.includes("--delete-bootnum")) {
          forget(`Boot${valueOf("--bootnum")}`);
        }
        return Promise.resolve(SUCCESS);
      },
    },
    put,
    forget,
    names,
    order: () => {
      const bytes = fs.readFileSync(at("BootOrder")).subarray(4);
      return [...(bytes.toString("hex").match(/..../g) ?? [])].map((pair) =>
        (pair.slice(2) + pair.slice(0, 2)).toUpperCase(),
      );
    },
  };
}

const esp = {
  ...{ device: "/dev/sda1", type: "vfat", uuid: "ABCD-1234" },
  ...{ label: undefined, isLabelUnique: false, isMapped: false },
  partition: {
    ...{ uuid: undefined, type: undefined, isGpt: true, number: 1 },
    disk: "/dev/sda",
  },
};

const place: BootPlace = {
  loader: BOOT_LOADERS.efistub,
  ...{ filesystem: esp, menuFilesystem: esp },
  ...{ top: "/efi", menuTop: "/efi", config: "" },
};

const deployment = (n: number): DeploymentEntry => ({
  n,
  title: `dockroot ${String(n)}`,
  release: "6.1.0",
  kernel: `/dockroot/${String(n)}a/linux`,
  initrds: [`/dockroot/${String(n)}a/initrd`],
  options: `root=LABEL=x rootflags=subvol=system rw dockroot.deployment=${String(n)}`,
  tries: null,
});

await t.test("the firmware's menu has what was written", async (t) => {
  const { host, put, names, order } = prepare(t);
  put("Boot0001", makeLoadOption("Windows", "\\EFI\\x.efi", "\u4e00\u0001"));
  put("BootOrder", Buffer.from([1, 0]));
  const write = (given: readonly DeploymentEntry[], next: number) =>
    writeDeploymentMenu(host, place, "system", given, next);
  const read = () => readDeploymentMenu(host, place, "system");
  t.strictSame(read(), { entries: [], next: undefined });
  const entries = [deployment(1), deployment(2)];
  for (const next of [1, 2]) {
    await write(entries, next);
    t.strictSame(read(), {
      entries: entries.map(({ release: _, ...entry }) => entry),
      next,
    });
  }
  t.strictSame(names(), ["0000", "0001", "0002"]);
  t.strictSame(order(), ["0002", "0000", "0001"], "others are still started");
  await write([deployment(2), deployment(3)], 3);
  t.strictSame(names(), ["0001", "0002", "000A"]);
  t.strictSame(order(), ["000A", "0002", "0001"]);
  t.equal(read().next, 3);
  t.match(findEntries(host).entries, [
    { loader: "efistub", title: "dockroot 2", file: /Boot0002-/ },
    { kernel: "\\dockroot\\3a\\linux" },
  ]);
});

await t.test(
  "the firmware starts once what is not confirmed, and then the former one",
  async (t) => {
    const { host, put, forget, order } = prepare(t);
    put("BootOrder", Buffer.from([]));
    const entries = [deployment(1), deployment(2)];
    const write = (next: number, fallback?: number) =>
      writeDeploymentMenu(host, place, "system", entries, next, fallback);
    const next = (once?: number) =>
      readDeploymentMenu(host, place, "system", once).next;
    const chosen = () => readChosenOnce(host, place, "system", 2);
    await write(1);
    await write(2, 1);
    t.strictSame(order(), ["0000", "0001"]);
    t.equal(next(2), 2);
    t.equal(chosen(), undefined, "nobody has chosen it");
    forget("BootNext");
    t.equal(next(2), 1, "it was started");
    await write(2, 1);
    t.equal(next(2), 2, "and is once more");
    await write(2);
    t.strictSame(order(), ["0001", "0000"], "it is confirmed");
    t.equal(next(), 2);
    put("BootNext", Buffer.from([0, 0]));
    await write(2);
    t.match(chosen(), { name: "Boot0000" }, "somebody's choice stays");
  },
);
await t.test("the firmware boots another entry once", async (t) => {
  const { host, put } = prepare(t);
  put("BootOrder", Buffer.from([]));
  const entries = [deployment(1), deployment(2)];
  await writeDeploymentMenu(host, place, "system", entries, 2);
  const choose = (n?: number) => writeChosenOnce(host, place, "system", 2, n);
  const chosen = () => readChosenOnce(host, place, "system", 2);
  t.equal(chosen(), undefined);
  await choose(1);
  t.match(chosen(), { name: "Boot0000", n: 1 });
  t.equal(readDeploymentMenu(host, place, "system").next, 2);
  await choose();
  t.equal(chosen(), undefined);
  put("BootNext", Buffer.from([7, 0]));
  const { name, n } = chosen() ?? {};
  t.strictSame({ name, n }, { name: "Boot0007", n: undefined });
});

await t.test("what cannot be written is told", async (t) => {
  const { host } = prepare(t);
  const write = (run: Host["run"]) =>
    writeDeploymentMenu(
      { ...host, run },
      ...([place, "system", [deployment(1)], 1] as const),
    );
  const missing = new HelperError("missing", "efibootmgr was not found");
  await t.rejects(
    write(() => Promise.reject(missing)),
    {
      code: "HELPER_MISSING",
    },
  );
  await t.rejects(
    write(() => Promise.resolve(SUCCESS)),
    {
      code: "STEP_FAILED",
      message: /did not keep the entry dockroot 1/,
    },
  );
});

t.test("a load option that is damaged is no entry", (t) => {
  const whole = makeLoadOption("x", "\\linux", "root=x initrd=\\a");
  t.strictSame(parseLoadOption(whole), {
    ...{ title: "x", kernel: "\\linux", initrds: ["\\a"] },
    options: "root=x initrd=\\a",
  });
  t.equal(parseLoadOption(makeLoadOption("x", "\\a", "b", 0)), undefined);
  for (let length = 0; length < whole.length; length += 1) {
    parseLoadOption(whole.subarray(0, length));
  }
  for (let at = 0; at < whole.length; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = 0xff;
    parseLoadOption(damaged);
    damaged[at] = 0;
    parseLoadOption(damaged);
  }
  t.end();
});
