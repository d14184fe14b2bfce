import fs from "fs-extra";
import t, { type Test } from "tap";
import { refuseUnusableStore } from "../../../installer/deploy/refuse-store.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { fails } from "../fails.ts";

/**
 * @param files of the store, all empty lists
 * @param uidOf whose a file is; all is root's without it
 */
function refuse(
  t: Test,
  files: readonly string[],
  isOverlay: boolean,
  uidOf: (file: string) => number = () => 0,
): void {
  const topLevel = t.testdir();
  for (const file of files) fs.outputFileSync(`${topLevel}/store/${file}`, "");
  const host = hostWithSubvolumes(undefined);
  const statusOf: typeof host.files.statusOf = (file) => {
    const status = host.files.statusOf(file);
    return status && { ...status, uid: uidOf(String(file)) };
  };
  refuseUnusableStore(
    {
      host: { ...host, files: { ...host.files, statusOf } },
      ...{ topLevel, path: "store" },
    },
    { kind: undefined, isOverlay },
    parseImageReference("system:1"),
  );
}

const REPOSITORIES = "repositories.json";
const OVERLAY2 = `image/overlay2/${REPOSITORIES}`;

t.test("nothing is pulled by a driver of whose images no root is made", (t) => {
  for (const [driver, isOverlay] of [
    ["overlay2", false],
    ["zfs", false],
    ["zfs", true],
  ] as const) {
    const why = new RegExp(`Docker's ${driver} driver`);
    const files = [
      `image/${driver}/layerdb/x`,
      `image/${driver}/${REPOSITORIES}`,
    ];
    fails(t, () => refuse(t, files, isOverlay), "STORE_UNSUPPORTED", why);
  }
  const containerd = "io.containerd.metadata.v1.bolt/meta.db";
  for (const [files, isOverlay] of [
    [[], true],
    [[OVERLAY2], true],
    [[`image/btrfs/${REPOSITORIES}`, OVERLAY2], false],
    [[OVERLAY2, `containerd/daemon/${containerd}`], false],
  ] as const) {
    t.doesNotThrow(() => refuse(t, files, isOverlay), files.join());
  }
  t.end();
});

t.test("nothing is pulled for the store of an ordinary user's engine", (t) => {
  const files = ["overlay-images/images.json", "overlay/l/x"];
  const why = /root's files belong to the user 1000/;
  const rootless = () => refuse(t, files, true, () => 1000);
  fails(t, rootless, "STORE_UNSUPPORTED", why);
  t.doesNotThrow(
    () =>
      refuse(t, files, true, (file) => (file.endsWith("/store") ? 1000 : 0)),
    "its directory alone may be somebody's",
  );
  t.end();
});
