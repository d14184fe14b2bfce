import t from "tap";
import type { TreeEntry, TreeListing } from "../../../fixtures/tree-listing.ts";
import type {
  DiskInventory,
  FoundSubvolume,
} from "../../faults/disk-inventory.ts";
import { describeMissingBase } from "../../faults/judge-bases.ts";
import {
  proveBases,
  proveFreshRoot,
  proveNothingLost,
  provePresentRoot,
  type RootExpectation,
} from "../../faults/prove-root.ts";

const STAGING = ".dockroot/root/staging";
const file = (content: string): TreeEntry => ({
  ...{ kind: "file", mode: "644", owner: "0:0", mtime: "1.0" },
  ...{ size: content.length, sha256: content },
});
const directory: TreeEntry = {
  ...{ kind: "directory", mode: "755", owner: "0:0", mtime: "1.0" },
};
const complete: TreeListing = {
  ...{ "": directory, home: directory, init: file("init") },
};
const withUser = (content: string): TreeListing => ({
  ...complete,
  "home/letter": file(content),
});
const { init: _init, ...halfMade } = complete;
const expectation: RootExpectation = {
  ...{ rwlayer: "root", root: complete, userDirectory: "home" },
};

const subvolume = (
  path: string,
  uuid: string,
  tree: TreeListing,
): FoundSubvolume => ({ path, uuid, tree });
const disk = (...subvolumes: FoundSubvolume[]): DiskInventory => ({
  subvolumes,
  others: { note: { "": file("note") } },
});
const before = disk(
  subvolume("root", "old", withUser("old")),
  subvolume("photos", "photos", withUser("photos")),
);
const kept = [
  subvolume(".dockroot/root/generations/1", "old", withUser("old")),
  subvolume("photos", "photos", withUser("photos")),
];

t.test("a fresh root is complete, new, and all that there is", async (t) => {
  const good = disk(subvolume("root", "new", complete));
  t.strictSame(proveFreshRoot(good, expectation, "new"), []);
  t.match(proveFreshRoot(good, expectation, "other"), [/not the new root/]);
  t.match(proveFreshRoot(disk(), expectation), [/there is no root/]);
  for (const tree of [
    halfMade,
    withUser("x"),
    { ...complete, init: directory },
  ])
    t.match(proveFreshRoot(disk(subvolume("root", "new", tree)), expectation), [
      /^root differs/,
    ]);
  t.match(
    proveFreshRoot(
      disk(subvolume("root", "new", complete), subvolume(STAGING, "s", {})),
      expectation,
    ),
    [/staging is left over/],
  );
});

t.test("nothing half-made stands at the rwlayer's name", async (t) => {
  const pathState = (...subvolumes: FoundSubvolume[]) =>
    provePresentRoot(disk(...subvolumes), expectation, before);
  t.strictSame(pathState(), []);
  t.strictSame(pathState(subvolume("root", "old", withUser("old"))), []);
  t.strictSame(pathState(subvolume("root", "new", complete)), []);
  t.strictSame(pathState(subvolume("root", "new", withUser("new"))), []);
  t.match(pathState(subvolume("root", "new", halfMade)), [/init.* is absent/]);
  t.match(pathState(subvolume("root", "old", complete)), [
    /letter.* is absent/,
  ]);
  t.match(
    provePresentRoot(
      disk(subvolume("root", "s", halfMade)),
      expectation,
      disk(subvolume(STAGING, "s", halfMade)),
    ),
    [/init.* is absent/],
    "a half-made staging moved there",
  );
});

t.test("nothing that was there is lost", async (t) => {
  const lost = (former: DiskInventory, ...subvolumes: FoundSubvolume[]) =>
    proveNothingLost(former, disk(...subvolumes), expectation);
  t.strictSame(lost(before, ...kept), []);
  t.match(lost(before, ...kept.slice(1)), [/root \(old\) is lost/]);
  t.match(
    lost(before, ...kept.slice(1), subvolume("copy", "new", withUser("old"))),
    [/root \(old\) is lost/],
  );
  t.match(
    lost(before, ...kept.slice(1), subvolume("root", "old", withUser("x"))),
    [/letter.* sha256/],
  );
  t.match(
    proveNothingLost(before, { subvolumes: kept, others: {} }, expectation),
    [/^note differs/],
  );
  const left = disk(subvolume(STAGING, "s", withUser("precious")));
  t.match(lost(left), [/home\/letter is lost/]);
  t.strictSame(lost(left, subvolume("x", "y", withUser("precious"))), []);
  t.strictSame(lost(disk(subvolume(STAGING, "s", halfMade))), []);
});

t.test(
  "each root has one base at most, which is as the root was",
  async (t) => {
    const base = (
      name: string,
      parentUuid: string,
      tree = complete,
      uuid = `base-${name}`,
    ): FoundSubvolume => ({
      ...{ path: `.dockroot/root/bases/${name}`, uuid, parentUuid, tree },
    });
    const root = subvolume("root", "new", withUser("new"));
    const prove = (...subvolumes: FoundSubvolume[]) =>
      proveBases(disk(root, ...subvolumes), expectation, before);
    t.strictSame(prove(), []);
    t.strictSame(prove(base("2", "new")), []);
    t.match(prove(base("2", "gone")), [/2 is the base of no root/]);
    t.match(prove(base("2", "new"), base("3", "new")), [
      ...[/2 has another base, too/, /3 has another base, too/],
    ]);
    t.match(prove(base("2", "new", halfMade)), [/init.* is absent/]);
    t.match(prove(base("2", "new", withUser("new"))), [/letter/]);
    t.strictSame(
      proveBases(
        disk(root, base("2", "new", halfMade, "old")),
        expectation,
        before,
      ),
      [],
      "one that was there is compared with what it was",
    );
    t.equal(describeMissingBase([root, base("2", "new")], "new").length, 0);
    t.match(describeMissingBase([root, base("2", "old")], "new"), [/no base/]);
  },
);
