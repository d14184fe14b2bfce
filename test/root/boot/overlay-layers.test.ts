// runner: tier=first seconds=20 whole=600
import fs from "fs-extra";
import { createHash } from "node:crypto";
import path from "node:path";
import t from "tap";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";
import { parseState } from "../../../runtime/records/rwlayer-state.ts";
import { isWholeTier } from "../../tier.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";

// dockerd makes no image of more than 125 layers, and mounts one of 128: what is above that is added to the store
// that it has made.

const MOST = 450;
const COUNTS = isWholeTier()
  ? Array.from({ length: MOST }, (_, index) => index + 1)
  : [1, 2, 127, 128, MOST];

const disk = await makeBootDisk(t, "overlay-layers", undefined, "ext4");
const machine = rehearse(t, disk, "many");
const root = path.join(machine.runDirectory, "root");

function boot(image: string): void {
  const { status, stderr } = machine.boot(`docker_image=${image}`);
  if (status !== 0) throw new Error(stderr);
}

/** What the kernel has mounted as root. */
function countMounted(): number | undefined {
  const mounts = parseMountinfo(
    fs.readFileSync("/proc/self/mountinfo", "utf8"),
  );
  const options = mounts
    .filter(
      ({ mountPoint, fsType }) => mountPoint === root && fsType === "overlay",
    )
    .flatMap((mount) => mount.options);
  if (!options.some((option) => option.startsWith("upperdir=")))
    return undefined;
  return options
    .flatMap((option) => /^lowerdir\+?=(.*)$/.exec(option)?.[1] ?? [])
    .flatMap((names) => names.split(":")).length;
}

// The keys of system:2's layers are their names in the store.
boot("system:2");
machine.finish();
const [leaf = ""] = await disk.look(
  (top) =>
    parseState(fs.readFileSync(`${top}/many/root.json`, "utf8")).subvolumes[0]
      ?.layers ?? [],
);

/** Puts layers between the leaf layer of system:2 and the one below it, in place of those that were there. */
async function addLayers(count: number): Promise<void> {
  await disk.look((top) => {
    const store = `${top}/docker/overlay2`;
    const list = `${store}/${leaf}/lower`;
    const base = fs.readFileSync(list, "utf8").split(":").at(-1) ?? "";
    const added = Array.from({ length: count }, (_, index) => {
      const id = createHash("sha256").update(String(index)).digest("hex");
      const link = id.slice(0, 26).toUpperCase();
      if (!fs.existsSync(`${store}/${id}`)) {
        fs.outputFileSync(
          `${store}/${id}/diff/from-layers/${String(index)}`,
          "",
        );
        fs.outputFileSync(`${store}/${id}/lower`, base);
        fs.symlinkSync(`../${id}/diff`, `${store}/l/${link}`);
      }
      return `l/${link}`;
    });
    fs.writeFileSync(list, [...added, base].join(":"));
  });
}

for (const count of COUNTS) {
  await t.test(`${String(count)} layers`, async (t) => {
    if (count >= 2) await addLayers(count - 2);
    boot(count === 1 ? "system:1" : "system:2");
    t.equal(countMounted(), count);
    const added = path.join(root, "from-layers");
    const names = fs.existsSync(added) ? fs.readdirSync(added) : [];
    t.equal(names.length, Math.max(count - 2, 0), "each of them is there");
    machine.finish();
  });
}

await t.test("one more than a root is made of", async (t) => {
  await addLayers(MOST - 1);
  t.equal(machine.boot("docker_image=system:2").status, 1);
  const { failure } = machine.record();
  t.match(failure, {
    code: "STORE_UNSUPPORTED",
    message: /has more than 450 layers, and no root is made of more/,
  });
});
