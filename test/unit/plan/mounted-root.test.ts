import t from "tap";
import { describeOtherRoot } from "../../../runtime/plan/mounted-root.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";

// Lines of /proc/self/mountinfo of Linux 6.18, with other mount points.
const TOP_LEVEL = "/run/dockroot/toplevel";
const OWN = [
  "1 1 0:2 / / rw - rootfs rootfs rw",
  `30 1 0:41 / ${TOP_LEVEL} rw - btrfs /dev/vda2 rw,subvolid=5,subvol=/`,
];
const mountOf = (root: string, at: string, device = "0:41") =>
  `31 1 ${device} ${root} ${at} rw - btrfs /dev/vda2 rw`;
const describe = (...lines: readonly string[]) =>
  describeOtherRoot(
    parseMountinfo([...OWN, ...lines].join("\n")),
    TOP_LEVEL,
    "roots/a b",
  );

t.test("the root that was made, wherever the initramfs mounts it", (t) => {
  for (const at of ["/new_root", "/root", "/sysroot"]) {
    t.equal(describe(mountOf("/roots/a\\040b", at)), undefined, at);
  }
  t.end();
});

t.test("the root that was made, with an overlay over it", (t) => {
  const overlay = "40 1 0:60 / /root rw - overlay overlay rw";
  t.equal(describe(mountOf("/roots/a\\040b", "/root"), overlay), undefined);
  t.equal(
    describe(mountOf("/roots/a\\040b", "/media/root-ro"), overlay),
    undefined,
    "initramfs-tools' overlayroot moves it away",
  );
  t.equal(
    describe(mountOf("/other", "/media/root-ro"), overlay),
    "/root is overlay of overlay, not roots/a b",
  );
  t.end();
});

t.test("no root", (t) => {
  t.equal(describe(), undefined);
  t.equal(describe(mountOf("/other", "/mnt")), undefined);
  t.equal(describe(mountOf("/other", "/sysroot/home")), undefined);
  t.end();
});

t.test("another root", (t) => {
  for (const [root, what] of Object.entries({
    "/": "the top level",
    "/roots": "roots",
    "/roots/a": "roots/a",
    "/roots/a\\040b/c": "roots/a b/c",
    "/roots/a\\040b//deleted": "roots/a b//deleted",
    "/.dockroot/a/generations/1": ".dockroot/a/generations/1",
  })) {
    t.equal(
      describe(mountOf(root, "/sysroot")),
      `/sysroot is ${what}, not roots/a b`,
    );
  }
  t.equal(
    describe(mountOf("/roots/a\\040b", "/root", "0:52")),
    "/root is btrfs of /dev/vda2, not roots/a b",
    "on another disk",
  );
  t.end();
});

t.test("an overlay, by where its writes go", (t) => {
  const own = `${TOP_LEVEL}/roots/a/upper`;
  const describe = (...lines: readonly string[]) =>
    describeOtherRoot(
      parseMountinfo([...OWN, ...lines].join("\n")),
      TOP_LEVEL,
      "roots/a",
      [own],
    );
  const overlay = (at: string, upper: string) =>
    `40 1 0:60 / ${at} rw - overlay overlay rw,lowerdir=0:1,upperdir=${upper},workdir=/w`;
  t.equal(describe(overlay("/sysroot", own)), undefined);
  t.equal(
    describe(overlay("/sysroot", `${TOP_LEVEL}/roots/b/upper`)),
    "/sysroot is overlay of overlay, not roots/a",
  );
  t.equal(
    describe(mountOf("/", "/root")),
    "/root is the top level, not roots/a",
  );
  t.end();
});
