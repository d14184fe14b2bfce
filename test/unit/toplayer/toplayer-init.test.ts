import t from "tap";
import { USUAL_DIRECTORIES } from "../../../installer/engines/formats/engine-configs.ts";
import { makeFstab } from "../../../installer/toplayer/plan/make-fstab.ts";
import {
  mergeAccounts,
  ownUsers,
  withoutPeople,
} from "../../../installer/toplayer/plan/merge-accounts.ts";
import { chooseAccounts } from "../../../installer/toplayer/gather-init.ts";
import { makeCrypttab } from "../../../installer/toplayer/plan/make-crypttab.ts";
import { findCryptNames } from "../../../installer/system/crypt-devices.ts";
import { findOpenedNames } from "../../../installer/system/formats/crypttab.ts";
import { parseFstab } from "../../../installer/system/formats/fstab.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { planFiles } from "../../../installer/toplayer/plan/plan-files.ts";

const image = {
  passwd: "root:x:0:0::/root:/bin/sh\n# kept\nguest:x:1000:1000::/:/bin/sh\n",
  group: "root:x:0:\naudio:x:29:guest\nguest:x:1000:\n",
  shadow: "root:*:1::::::\nguest:!:1::::::\n",
  gshadow: undefined,
};

const machine = {
  passwd:
    "root:x:0:0::/root:/bin/zsh\nalice:x:1000:1000::/home/alice:/bin/zsh\nbob:x:1001:7::/:/bin/sh\n",
  group: "root:x:0:\naudio:x:17:alice\nodd:x:7:\nalice:x:1000:\n",
  shadow:
    "root:$6$root:1::::::\nalice:$6$alice:1::::::\nbob:!:1::::::\nnobody:*:1::::::\n",
  gshadow: undefined,
};

t.test("people of this machine join the image's system users", async (t) => {
  const merged = mergeAccounts(image, machine, {
    users: ["alice"],
    root: false,
  });
  t.strictSame(merged, {
    passwd:
      "root:x:0:0::/root:/bin/sh\n# kept\nalice:x:1000:1000::/home/alice:/bin/zsh\n",
    group: "root:x:0:\naudio:x:29:alice\nalice:x:1000:\n",
    shadow: "root:*:1::::::\nalice:$6$alice:1::::::\n",
    gshadow: undefined,
    warnings: [
      "the image's user guest is left out: alice has the number 1000 on this machine",
    ],
  });
});

t.test("a user's own group that the image lacks is told", async (t) => {
  const { passwd, warnings } = mergeAccounts(image, machine, {
    users: ["bob"],
    root: true,
  });
  t.match(passwd, /^bob:x:1001:7:/m);
  t.strictSame(warnings, [
    "the image has no group odd, bob's primary group: it is added with this machine's number 7",
  ]);
  const taken = { ...image, group: `${image.group}lp:x:7:\n` };
  const other = mergeAccounts(taken, machine, { users: ["bob"], root: true });
  t.match(other, {
    passwd: /^bob:x:1001:1001:/m,
    group: /^lp:x:7:\nbob:x:1001:\n$/m,
  });
  t.strictSame(
    other.warnings,
    [
      "the image has no group odd: bob is not in it",
      "the primary group of bob is the new group bob (1001)",
    ],
    "the image's group of that number is not opened to bob",
  );
});

t.test("a person's number is that person's alone", async (t) => {
  const ofPeople = {
    passwd: `${image.passwd}alice:x:1001:1001::/home/alice:/bin/sh\n`,
    group: "root:x:0:\naudio:x:29:guest\nguest:x:1000:\nalice:x:1001:\n",
    shadow: `${image.shadow}alice:!:1::::::\n`,
    gshadow: "root:*::\naudio:*:guest:guest\nguest:!::\nalice:!::\n",
  };
  const merged = mergeAccounts(ofPeople, machine, {
    users: ["alice"],
    root: false,
  });
  t.strictSame(
    [merged.passwd, merged.group, merged.gshadow],
    [
      "root:x:0:0::/root:/bin/sh\n# kept\nalice:x:1000:1000::/home/alice:/bin/zsh\n",
      "root:x:0:\naudio:x:29:alice\nalice:x:1000:\n",
      "root:*::\naudio:*::alice\nalice:!::\n",
    ],
    "the image's alice has another number, which no file of this machine has",
  );
  const service = {
    ...image,
    group: `${image.group}docker:x:1001:www\n`,
    passwd: `${image.passwd}www:x:33:1000::/:/bin/false\n`,
  };
  const both = mergeAccounts(
    service,
    { ...machine, group: `${machine.group}bob:x:1001:\n` },
    { users: ["alice", "bob"], root: false },
  );
  t.match(
    both.group,
    /^alice:x:1000:\n(?:odd.*\n)?(?:bob.*\n)?guest:x:1000:\n(?:.*\n)*docker:x:1001:www\n/m,
    "groups that others are in stay, after those of people",
  );
  t.match(both.warnings, [
    "the image's user guest is left out: alice has the number 1000 on this machine",
    "the image has no group odd, bob's primary group: it is added with this machine's number 7",
    "the group alice has the number 1000, as the image's group guest",
  ]);
});

t.test("root stays, whatever number an image gives it", async (t) => {
  const passwd = "root:x:1000:0::/root:/bin/sh\n";
  const merged = mergeAccounts({ ...image, passwd }, machine, {
    users: ["alice"],
    root: false,
  });
  t.match(merged.passwd, /^root:x:1000:.*\nalice:/);
});

t.test("lines of NIS stay last", async (t) => {
  const nis = {
    passwd: "root:x:0:0::/root:/bin/sh\n+::::::\n",
    group: "root:x:0:\n+:::\n",
    shadow: "root:*:1::::::\n+::::::::\n",
    gshadow: undefined,
  };
  const merged = mergeAccounts(nis, machine, { users: ["alice"], root: false });
  t.match(merged.passwd, /^root:.*\nalice:.*\n\+::::::\n$/);
  t.match(merged.group, /^root:.*\nalice:.*\n\+:::\n$/);
  t.match(merged.shadow, /^root:.*\nalice:.*\n\+::::::::\n$/);
});

t.test("lines that are no entries are passed over", async (t) => {
  const odd = {
    passwd: "root\nalice\n# x\n",
    group: "root\naudio\naudio:x:29:\n# x\n",
    shadow: "root\nalice\n",
    gshadow: "root\naudio\n",
  };
  for (const [ofImage, own] of [
    [odd, machine],
    [image, { ...odd, passwd: machine.passwd }],
    [withoutPeople({ ...odd, passwd: machine.passwd }), machine],
  ] as const) {
    const merged = mergeAccounts(ofImage, own, {
      users: ["alice"],
      root: true,
    });
    t.match(merged.passwd, /^alice:x:1000:/m);
    t.match(merged.shadow, /^alice:/m);
  }
});

t.test("a password that passwd has itself is moved to shadow", async (t) => {
  const own = {
    ...machine,
    passwd: machine.passwd.replace("alice:x:", "alice:$6$own:"),
  };
  const merged = mergeAccounts(image, own, { users: ["alice"], root: false });
  t.match(merged.passwd, /^alice:x:/m);
  t.match(merged.shadow, /^alice:\$6\$own:1::::::$/m);
});

t.test("root is nobody's user, whatever its number", async (t) => {
  const passwd = "root:x:1000:0::/root:/bin/sh\nalice:x:1001:0::/:/bin/sh\n";
  t.strictSame(
    ownUsers({ passwd }).map(({ name }) => name),
    ["alice"],
  );
});

t.test("an fstab without root, with the store once", async (t) => {
  const store = {
    home: "docker" as const,
    source: "UUID=a",
    fsType: "btrfs",
    options: "subvol=my docker",
  };
  const at = USUAL_DIRECTORIES.docker;
  const head =
    "# The root is mounted by the kernel options: it has no line here.\n";
  const unknown = { home: "docker" as const, unknown: "it is elsewhere" };
  t.strictSame(makeFstab(undefined, unknown), {
    content: head,
    about: `this machine's without /, without ${at}`,
    warnings: [
      `the fstab has no line for ${at}, which docker pull needs to fetch the next system: it is elsewhere`,
    ],
  });
  t.match(makeFstab("x / btrfs\n\n", store), {
    content:
      /\nUUID=a {2}\/var\/lib\/docker {2}btrfs {2}subvol=my\\040docker {2}0 {2}0\n$/,
    about: `this machine's without /, with UUID=a subvol=my docker at ${at}`,
    warnings: [],
  });
  const own = `LABEL=l ${at}/ btrfs subvol=docker 0 0\n`;
  t.strictSame(makeFstab(`UUID=b / ext4 x 0 1\n${own}`, store), {
    content: head + own,
    about: `this machine's without /, with its own line for ${at}`,
    warnings: [],
  });
  const home = "/run/initramfs/dockroot/home";
  const kept = new Map([
    ["/home", home],
    ["/swap.img", "/run/initramfs/dockroot/swap.img"],
  ]);
  t.match(makeFstab("x / ext4\n", store, kept), {
    content: `\n${home}  /home  none  bind  0  0\n`,
    about: `this machine's without /, with UUID=a subvol=my docker at ${at}, with its /home`,
  });
  const ownLine = "x / ext4\nUUID=c /home ext4\n";
  t.notMatch(makeFstab(ownLine, store, kept).content, home);
  t.strictSame(makeFstab(ownLine, store, undefined, true).warnings, []);
  t.match(makeFstab("x / ext4\n", store, undefined, true).warnings, [
    /^people's files in \/home stay behind/,
  ]);
  const swap = "/swap.img none swap sw,pri=1 0 0\nUUID=s none swap sw 0 0\n";
  t.match(makeFstab(swap, store, kept), {
    content:
      /\n\/run\/initramfs\/dockroot\/swap\.img {2}none {2}swap {2}sw,pri=1 {2}0 {2}0\nUUID=s none swap sw 0 0\n/,
    warnings: [],
  });
  const swapless = makeFstab(swap, store);
  t.notMatch(swapless.content, "swap.img");
  t.match(swapless.warnings, [/^the swap file \/swap\.img stays behind/]);
});

t.test("a crypttab without what the root alone is on", async (t) => {
  const text =
    "# name device key options\ncryptroot UUID=1 none luks\ndata UUID=2 /etc/keys/data.key luks\nback UUID=3 - noauto\n";
  const made = (fstab: string, names: Record<string, string[]> = {}) =>
    makeCrypttab(
      text,
      parseFstab(fstab).entries,
      new Map(Object.entries(names)),
    );
  const names = { "UUID=r": ["cryptroot"], "UUID=d": ["data"] };
  t.strictSame(made("UUID=r / ext4\nUUID=d /data ext4\n", names), {
    content:
      "# name device key options\ndata UUID=2 /etc/keys/data.key luks\nback UUID=3 - noauto\n",
    about: "this machine's, for data, back",
    warnings: [
      "data is opened with the key /etc/keys/data.key, which is not in the top layer: copy it to the same place there, with the mode 0600",
    ],
  });
  t.match(
    made("UUID=r / btrfs subvol=@\nUUID=r /home btrfs subvol=@home\n", names),
    { content: text },
    "the root's device has something else, too",
  );
  t.match(made("UUID=away /data ext4\n"), { content: text });
  t.equal(
    makeCrypttab(
      "cryptroot UUID=1 none luks\n",
      parseFstab("UUID=r / ext4").entries,
      new Map(Object.entries(names)),
    ),
    undefined,
  );
});

t.test("which names of /dev/mapper a device is on", async (t) => {
  const root = t.testdir({
    sys: {
      class: {
        block: {
          "dm-0": { dm: { uuid: "CRYPT-LUKS2-1-data\n", name: "data\n" } },
          "dm-1": {
            dm: { uuid: "LVM-x\n", name: "vg-home\n" },
            slaves: { "dm-0": {}, sdb: {} },
          },
          sdb: {},
        },
      },
    },
  });
  const devices: Record<string, string> = {
    "UUID=d": "/dev/dm-0",
    "UUID=h": "/dev/dm-1",
    "LABEL=plain": "/dev/sdb",
  };
  const host: Host = {
    ...createHost(root, createLog([])),
    run: (argv) => {
      const name = devices[argv.at(-1) ?? ""];
      const text = name === undefined ? "" : `DEVNAME=${name}\n`;
      return Promise.resolve({
        stdout: Buffer.from(text),
        exitCode: text === "" ? 2 : 0,
      });
    },
  };
  const found = await findCryptNames(host, [
    ...Object.keys(devices),
    ...["UUID=away", "tmpfs", "/dev/mapper/cryptswap", "/dev/mapper/vg-x"],
  ]);
  t.strictSame(Object.fromEntries(found), {
    "UUID=d": ["data"],
    "UUID=h": ["data"],
    "LABEL=plain": [],
    "/dev/mapper/cryptswap": ["cryptswap"],
  });
});

t.test("what an initramfs opens, by its kernel options", async (t) => {
  t.strictSame(
    findOpenedNames(
      "rd.luks.name=1-2=root luks.name=3=home rd.luks.uuid=luks-4 rd.luks.uuid=5 cryptdevice=UUID=6:arch:allow-discards cryptopts=source=/dev/sda,target=deb quiet cryptdevice=/dev/sdb",
    ),
    ["root", "home", "luks-4", "luks-5", "arch", "deb"],
  );
});

t.test("who is asked about, and what the answers are for", async (t) => {
  const asked: string[] = [];
  const chosen = await chooseAccounts(machine, (question) => {
    asked.push(question);
    return Promise.resolve(question.includes("root"));
  });
  t.strictSame(asked, [
    "Copy root's password?",
    "Copy the user alice (1000), with the password?",
    "Copy the user bob (1001), who has no password?",
  ]);
  t.strictSame(chosen, { users: [], root: true });
  t.strictSame(await chooseAccounts(machine, () => Promise.resolve(true)), {
    users: ["alice", "bob"],
    root: true,
  });
});

t.test("accounts are made as far as they are needed", async (t) => {
  const facts = {
    machine: {
      ...{ fstab: undefined, hostname: "h", machineId: undefined },
      crypttab: undefined,
      accounts: machine,
    },
    storeMount: { home: "docker" as const, unknown: "it is elsewhere" },
    kept: new Map<string, string>(),
    hasHome: false,
    imageAccounts: image,
    newMachineId: "new\n",
    cryptNames: new Map<string, string[]>(),
    imageHasFiles: new Set<string>(),
  };
  const pathsOf = (chosen: { users: string[]; root: boolean }, own = facts) =>
    planFiles(own, chosen).accounts.map(({ path }) => path);
  t.strictSame(pathsOf({ users: [], root: false }), []);
  t.strictSame(
    pathsOf({ users: [], root: true }),
    ["etc/shadow"],
    "root's password needs no passwd, which would grow old",
  );
  t.strictSame(pathsOf({ users: ["alice"], root: false }), [
    ...["etc/passwd", "etc/group", "etc/shadow"],
  ]);
  const withoutRoot = planFiles(
    { ...facts, imageAccounts: { unknown: "no image" } },
    { users: ["alice"], root: false },
  );
  t.match(
    withoutRoot.accounts.find(({ path }) => path === "etc/shadow")?.content,
    /^root:\*:1/,
    "a password that was refused is nowhere",
  );
  const { accounts, warnings } = planFiles(
    { ...facts, imageAccounts: { unknown: "no image" } },
    { users: ["alice"], root: true },
  );
  t.strictSame(
    accounts.map(({ content }) => content),
    [
      "root:x:0:0::/root:/bin/zsh\nalice:x:1000:1000::/home/alice:/bin/zsh\n",
      "root:x:0:\naudio:x:17:alice\nodd:x:7:\nalice:x:1000:\n",
      "root:$6$root:1::::::\nnobody:*:1::::::\nalice:$6$alice:1::::::\n",
    ],
    "without an image all are this machine's, but for bob",
  );
  t.match(warnings, [
    /^no image$/,
    /it is elsewhere$/,
    /may not fit the image's files$/,
  ]);
  for (const { path, mode } of accounts) {
    t.equal(mode, path === "etc/shadow" ? 0o600 : 0o644, path);
  }
});

t.test("only the system's own group shadow reads passwords", async (t) => {
  const shadowOf = (gid: string) => {
    const facts = {
      machine: {
        ...{ fstab: undefined, hostname: "h", machineId: undefined },
        crypttab: undefined,
        accounts: machine,
      },
      storeMount: { home: "docker" as const, unknown: "it is elsewhere" },
      kept: new Map<string, string>(),
      hasHome: false,
      imageAccounts: { ...image, group: `root:x:0:\nshadow:x:${gid}:\n` },
      newMachineId: "new\n",
      cryptNames: new Map<string, string[]>(),
      imageHasFiles: new Set<string>(),
    };
    return planFiles(facts, { users: ["alice"], root: true }).accounts.find(
      ({ path }) => path === "etc/shadow",
    );
  };
  t.match(shadowOf("42"), { mode: 0o640, gid: 42 });
  t.match(
    shadowOf("1000"),
    { mode: 0o600, gid: 0 },
    "an image cannot open them to a person of this machine",
  );
});
