// runner: tier=first seconds=1
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { executeMerge } from "../../../runtime/toplayer/execute-merge.ts";
import { listLayers } from "../../../runtime/toplayer/list-layer.ts";
import { readSnapshotTree } from "../../../runtime/toplayer/snapshot-tree.ts";
import { createMergedTree } from "../../../runtime/tree/merged-tree.ts";
import { planMerge } from "../../../runtime/tree/plan-merge.ts";
import { makeScratch } from "../scratch.ts";

const KEYS = {
  "etc/systemd/network/wg0.netdev": "640 0:192",
  "etc/systemd/network/wg0.network": "644 0:0",
  "etc/netplan/wifi.yaml": "600 0:0",
  "var/lib/iwd/work.8021x": "600 0:0",
  "etc/openvpn/home.ovpn": "600 0:0",
  "etc/cryptsetup-keys.d/data.key": "600 0:0",
};

await t.test("keys on a filesystem without owners", async (t) => {
  const scratch = makeScratch(t, "toplayer-ownerless");
  const host = createHost("/", createLog([]));
  const mergeInto = async (name: string, group: string) => {
    const tree = path.join(scratch, name, "tree");
    const layer = path.join(scratch, name, "layer");
    fs.outputFileSync(`${tree}/etc/group`, group);
    for (const file of Object.keys(KEYS)) {
      fs.outputFileSync(path.join(layer, file), "x\n", { mode: 0o777 });
    }
    const places = [{ at: layer, isOwnerless: true }];
    const { layers } = await listLayers(host, places, "");
    const merged = createMergedTree(readSnapshotTree(host, tree));
    await executeMerge(
      host,
      planMerge(layers, merged),
      { tree, scratch: path.join(scratch, "merge"), sharing: undefined },
      () => undefined,
    );
    return Object.fromEntries(
      Object.keys(KEYS).map((file) => {
        const { mode, uid, gid } = fs.lstatSync(path.join(tree, file));
        const bits = (mode & 0o777).toString(8);
        return [file, `${bits} ${String(uid)}:${String(gid)}`];
      }),
    );
  };
  t.strictSame(
    await mergeInto("with", "root:x:0:\nsystemd-network:x:192:\n"),
    KEYS,
    "networkd, which is not root, reads its own",
  );
  const closed = { ...KEYS, "etc/systemd/network/wg0.netdev": "600 0:0" };
  t.strictSame(await mergeInto("without", "root:x:0:\n"), closed);
  t.strictSame(
    await mergeInto("person", "systemd-network:x:1000:\n"),
    closed,
    "an image cannot open them to a person of this machine",
  );
});
