import t from "tap";
import { parseSubvolumeShow } from "../../runtime/disk/btrfs.ts";
import {
  chooseDevice,
  parseBlkidExport,
  parsePartitions,
} from "../../runtime/disk/device.ts";
import { parseMountinfo } from "../../runtime/disk/mounts.ts";
import { parseState } from "../../runtime/records/rwlayer-state.ts";
import { chainIds } from "../../runtime/stores/image-config.ts";
import {
  SubvolumeList,
  parseSubvolumeList,
  type ListedSubvolume,
} from "../../runtime/disk/subvolumes.ts";

const NONE = "-                                   ";

const uuid = (digit: string) => `7e9c696a-e6ef-be4d-916b-86d63c3af96${digit}`;

// btrfs subvolume list -u -q m, btrfs-progs 6.2; the first subvolume's name has a newline in it.
const LIST = `ID 256 gen 7 cgen 7 top level 5 parent_uuid ${NONE} uuid ${uuid("0")} path a
ID 300 gen 1 cgen 1 top level 5 parent_uuid ${NONE} uuid ${uuid("f")} path y
ID 257 gen 7 cgen 7 top level 256 parent_uuid ${NONE} uuid ${uuid("1")} path a b
ID 258 gen 7 cgen 7 top level 257 parent_uuid ${uuid("1")} uuid ${uuid("2")} path a b/c
`;

/** A list of which numbers and parents alone matter. */
function listOf(edges: readonly (readonly [id: number, parentId: number])[]) {
  return new SubvolumeList(
    edges.map(([id, parentId]): ListedSubvolume => {
      const path = String(id);
      return {
        ...{ id, parentId, uuid: path, parentUuid: undefined, path },
        ...{ lastChange: 7, madeBy: 7 },
      };
    }),
  );
}

t.test(
  "nested subvolumes are found by number, the deepest first",
  async (t) => {
    const lines = parseSubvolumeList(LIST);
    t.same(lines.length, 4);
    const list = new SubvolumeList(lines);
    t.same(list.mayBeNestedIn(256), [258, 257]);
    t.same(list.mayBeNestedIn(258), []);
    t.same(list.mayBeNestedIn(5), [258, 257, 300, 256]);
  },
);

t.test(
  "a subvolume is found by its path where no line is forged",
  async (t) => {
    const found = new SubvolumeList(parseSubvolumeList(LIST)).at("a b/c");
    t.match(found, { id: 258, uuid: uuid("2"), parentUuid: uuid("1") });
    const none = `parent_uuid ${NONE}`;
    for (const [what, line] of [
      [
        "its path",
        `ID 400 gen 7 cgen 7 top level 5 ${none} uuid ${uuid("9")} path a b/c`,
      ],
      [
        "its number",
        `ID 258 gen 7 cgen 7 top level 5 ${none} uuid ${uuid("9")} path z`,
      ],
    ] as const) {
      const list = new SubvolumeList(parseSubvolumeList(`${LIST}${line}\n`));
      t.equal(list.at("a b/c"), undefined, `${what} is in two lines`);
      t.equal(list.at("a b")?.id, 257);
      t.ok(list.mayHave(uuid("2")));
    }
  },
);

t.test("forged lines that make a circle do not hang", async (t) => {
  const circle = [
    [10, 11],
    [11, 10],
    [10, 10],
  ] as const;
  t.same(listOf(circle).mayBeNestedIn(10), [11]);
});

t.test("a deep chain of forged lines is followed in one pass", async (t) => {
  const depth = 50_000;
  const edges = Array.from(
    { length: depth },
    (_, index) => [300 + index + 1, 300 + index] as const,
  );
  t.equal(listOf(edges).mayBeNestedIn(300).length, depth);
});

// btrfs subvolume show staging, btrfs-progs 6.2; the snapshot's name has lines of its own.
const SHOW = `staging
\tName: \t\t\tstaging
\tUUID: \t\t\t1d1ea182-4d91-a14f-9a1f-4b8865410602
\tParent UUID: \t\tcc097502-f5e5-5b44-9581-fff88add77a2
\tReceived UUID: \t\t-
\tCreation time: \t\t2026-11-24 21:22:39 +0000
\tSubvolume ID: \t\t258
\tGeneration: \t\t8
\tGen at creation: \t8
\tParent ID: \t\t5
\tSnapshot(s):
\t\t\t\tx
\tUUID: \t\t\t00000000-0000-0000-0000-000000000000
\tGeneration: \t\t9
`;

t.test("what btrfs tells of a subvolume", async (t) => {
  const facts = {
    uuid: "1d1ea182-4d91-a14f-9a1f-4b8865410602",
    parentUuid: "cc097502-f5e5-5b44-9581-fff88add77a2",
    ...{ lastChange: 8, madeBy: 8 },
  };
  t.strictSame(parseSubvolumeShow(SHOW), facts);
  t.strictSame(
    parseSubvolumeShow(SHOW.replace("Generation: \t\t8", "Generation: \t\t9")),
    { ...facts, lastChange: 9 },
  );
  t.strictSame(
    parseSubvolumeShow(SHOW.replace(/(Parent UUID: \t\t).*/, "$1-")),
    { ...facts, parentUuid: undefined },
  );
  t.equal(parseSubvolumeShow(SHOW.replace(/Generation.*/g, "")), undefined);
  t.equal(parseSubvolumeShow(""), undefined);
});

// blkid -c /dev/null -o export, util-linux 2.38
const EXPORT = `DEVNAME=/dev/loop0
LABEL=my\\ disk\\ \\"x\\"
UUID=48a2cc02-3fb3-4e37-8562-7212ae362f40
UUID_SUB=e5687123-df69-4356-97ea-698a9732bb2c
BLOCK_SIZE=4096
TYPE=btrfs

DEVNAME=/dev/sda1
PARTUUID=1234-01
`;

t.test("blkid's devices", async (t) => {
  t.strictSame(parseBlkidExport(EXPORT), [
    {
      path: "/dev/loop0",
      fsType: "btrfs",
      uuid: "48a2cc02-3fb3-4e37-8562-7212ae362f40",
      deviceUuid: "e5687123-df69-4356-97ea-698a9732bb2c",
      label: `my\\ disk\\ \\"x\\"`,
    },
    {
      ...{ path: "/dev/sda1", fsType: undefined, label: undefined },
      ...{ uuid: undefined, deviceUuid: undefined },
    },
  ]);
  t.same(parseBlkidExport(""), []);
  t.same(parseBlkidExport("\n\n"), []);
});

t.test(
  "several devices of one btrfs are one filesystem, others with its label are not",
  async (t) => {
    const spec = { kind: "tag", tag: "LABEL", value: "x" } as const;
    const a = { path: "/dev/a", fsType: "btrfs", uuid: "1", label: "x" };
    const b = { ...a, path: "/dev/b" };
    const other = { ...a, path: "/dev/c", uuid: "2" };
    t.equal(chooseDevice(spec, [a, b])?.path, "/dev/a");
    t.equal(chooseDevice(spec, []), undefined);
    const one = { ...a, deviceUuid: "one" };
    t.equal(
      chooseDevice(spec, [one, { ...b, deviceUuid: "two" }])?.path,
      "/dev/a",
    );
    t.throws(
      () => chooseDevice(spec, [one, { ...b, deviceUuid: "one" }]),
      /a filesystem and a copy of it: \/dev\/a .*\/dev\/b/,
    );
    t.throws(
      () => chooseDevice(spec, [a, other]),
      /more than one filesystem: \/dev\/a .*\/dev\/c/,
    );
    t.throws(
      () =>
        chooseDevice(spec, [
          { ...a, fsType: "ext4" },
          { ...b, fsType: "ext4" },
        ]),
      /more than one/,
    );
  },
);

t.test("partitions for the list of what is there", async (t) => {
  t.same(
    parsePartitions(
      "major minor  #blocks  name\n\n 254        0  268435456 vda\n   7        0          0 loop0\n   1        0       8192 ram0\n",
    ),
    ["vda"],
  );
  t.same(parsePartitions(""), []);
});

t.test("mount points with spaces", async (t) => {
  t.same(
    parseMountinfo(
      "43 27 0:39 / /run/my\\040disk rw - btrfs /dev/loop0 rw\n44 27 0:40 / / rw - x y rw\n",
    ),
    [
      {
        ...{ device: "0:39", root: "/", mountPoint: "/run/my disk" },
        ...{ fsType: "btrfs", source: "/dev/loop0", options: ["rw"] },
      },
      {
        ...{ device: "0:40", root: "/", mountPoint: "/" },
        ...{ fsType: "x", source: "y", options: ["rw"] },
      },
    ],
  );
});

t.test("the chain ID of the OCI specification's rule", async (t) => {
  const a = `sha256:${"aa".repeat(32)}`;
  t.strictSame(chainIds([a]), [a]);
  // printf '%s %s' "$a" "$a" | sha256sum
  t.equal(
    chainIds([a, a])[1],
    "sha256:9d2cc34dc7dc748dba0ed439e6987c2f2c39ec504fa0c1527531d9bc7d0f1052",
  );
});

t.test("a state file of another form is not taken for one", async (t) => {
  const record = {
    uuid: "u",
    boot: 1,
    complete: true,
    source: "s",
    image: { reference: "r", id: "i" },
    toplayer: null,
  };
  const toplayer = {
    ...{ name: "n", digest: "d", bytes: 0 },
    ...{ files: 1, directories: 2, symlinks: 3, others: 4 },
  };
  const state = {
    version: 2,
    rwlayer: "x",
    subvolumes: [record, { ...record, complete: false, toplayer }],
  };
  t.strictSame(parseState(JSON.stringify(state)), state);
  const damage = { name: "BootError", code: "FILE_UNREADABLE" };
  for (const wrong of [
    null,
    [],
    { ...state, version: 1 },
    { ...state, version: "3" },
    { ...state, subvolumes: {} },
    { ...state, subvolumes: [{ ...record, uuid: 5 }] },
    { ...state, subvolumes: [{ ...record, image: null }] },
    { ...state, subvolumes: [{ ...record, complete: "yes" }] },
    { ...state, subvolumes: [{ ...record, boot: -1 }] },
    { ...state, subvolumes: [{ ...record, toplayer: undefined }] },
    { ...state, subvolumes: [{ ...record, toplayer: { name: "n" } }] },
  ]) {
    t.throws(() => parseState(JSON.stringify(wrong)), damage);
  }
  t.throws(() => parseState(JSON.stringify({ ...state, version: 3 })), {
    code: "STATE_TOO_NEW",
  });
  const text = JSON.stringify(state);
  for (let length = 0; length < text.length; length += 1) {
    t.throws(() => parseState(text.slice(0, length)), damage);
  }
});
